package tx

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/math"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// group is submissions that the chain has simulated together with success.
type group struct {
	members []*pending
	gasUsed uint64
}

// send makes transactions for the messages that are in none.
func (g *signer) send(ctx context.Context, latest *relayer.Block) (done bool) {
	var free []*pending
	for _, p := range g.waiting {
		if p.fatal == nil && p.free(latest.Height) {
			free = append(free, p)
		}
	}
	if len(free) == 0 {
		return true
	}
	if err := g.learnAccount(ctx); err != nil {
		g.silent(ctx, "account of signer is not known", err)
		for _, p := range free {
			p.trouble = err
		}
		return false
	}
	g.purse.forget()
	done = true
	for _, batch := range pack(free, g.MaxMessages, g.MaxBytes) {
		done = g.dispatch(ctx, latest, batch) && done
	}
	return done
}

// dispatch sends a batch in as few transactions as the chain takes.
func (g *signer) dispatch(ctx context.Context, latest *relayer.Block, batch []*pending) (done bool) {
	groups, done := g.simulate(ctx, latest, batch)
	for _, each := range g.rejoin(ctx, latest, groups) {
		if len(each.members) > 1 && g.exceedsBlock(each) {
			done = g.halve(ctx, latest, each.members) && done
			continue
		}
		done = g.launch(ctx, latest, each) && done
	}
	return done
}

// halve sends the halves of what was too large for one transaction.
func (g *signer) halve(ctx context.Context, latest *relayer.Block, members []*pending) (done bool) {
	half := len(members) / 2
	done = g.dispatch(ctx, latest, members[:half])
	return g.dispatch(ctx, latest, members[half:]) && done
}

// exceedsBlock reports whether the chain has said before that a transaction with
// as much gas does not fit into a block.
func (g *signer) exceedsBlock(each group) bool {
	limit := g.tooMuchGas.Load()
	gas, err := g.gasOf(each)
	return err == nil && limit > 0 && gas >= limit
}

func (g *signer) learnAccount(ctx context.Context) error {
	if g.known {
		return nil
	}
	ctx, cancel := g.bounded(ctx)
	defer cancel()
	number, err := g.node.AccountNumber(ctx, g.address)
	if err != nil {
		return err
	}
	g.account, g.known = number, true
	return nil
}

// simulate has the chain execute a batch without effect. If it is refused the
// halves are simulated, until those messages are alone that are refused by
// themselves; these are held until the next block.
func (g *signer) simulate(ctx context.Context, latest *relayer.Block, batch []*pending) (passed []group, done bool) {
	used, err := g.simulateTx(ctx, latest, batch)
	var refusal *chain.Refusal
	switch {
	case err == nil:
		for _, p := range batch {
			p.suspect = false
		}
		return []group{{batch, used}}, true
	case !errors.As(err, &refusal):
		g.silent(ctx, "cannot simulate a transaction", err)
		for _, p := range batch {
			p.trouble = err
		}
		return nil, false
	case len(batch) == 1:
		g.hold(batch[0], refusal, latest.Height)
		return nil, true
	}
	half := len(batch) / 2
	first, firstDone := g.simulate(ctx, latest, batch[:half])
	if !firstDone {
		return first, false
	}
	second, secondDone := g.simulate(ctx, latest, batch[half:])
	return append(first, second...), secondDone
}

// rejoin makes one group of those that passed by themselves, if they also pass
// together.
func (g *signer) rejoin(ctx context.Context, latest *relayer.Block, groups []group) []group {
	if len(groups) < 2 {
		return groups
	}
	var all []*pending
	for _, each := range groups {
		all = append(all, each.members...)
	}
	used, err := g.simulateTx(ctx, latest, all)
	if err != nil {
		g.Logger.Debug("messages pass simulation apart but not together", "supplier", g.address, "messages", len(all), "error", err)
		return groups
	}
	return []group{{all, used}}
}

// hold keeps a message that was refused by itself until the next block. What the
// refusal means comes in prose only, and can heal: a window opens, a balance is
// filled. So the deadline alone ends the tries.
func (g *signer) hold(p *pending, refusal error, height int64) {
	if !p.suspect {
		g.Logger.Warn("message is refused by simulation", "supplier", g.address, "key", p.sub.Key,
			"height", height, "deadline", p.sub.Deadline, "error", refusal)
	}
	p.suspect, p.refusal, p.heldTill = true, refusal, height+1
}

func (g *signer) simulateTx(ctx context.Context, latest *relayer.Block, batch []*pending) (uint64, error) {
	d := newDraft(batch)
	d.timeout = latest.Time.Add(g.Life).UnixNano()
	txBytes, err := d.unsigned(g.priv.PubKey())
	if err != nil {
		return 0, err
	}
	ctx, cancel := g.bounded(ctx)
	defer cancel()
	return g.node.Simulate(ctx, txBytes)
}

// newDraft puts the messages of submissions together. It can be included up to the
// earliest of their deadlines.
func newDraft(members []*pending) draft {
	d := draft{timeoutHeight: members[0].sub.Deadline, fee: math.ZeroInt()}
	for _, p := range members {
		d.messages = append(d.messages, p.message)
		d.timeoutHeight = min(d.timeoutHeight, p.sub.Deadline)
	}
	return d
}

// launch signs, records and sends a transaction, if it can still be included in
// time and be paid for. If its fee is too low it is followed by one more with a
// higher fee, if it is too large by its halves.
func (g *signer) launch(ctx context.Context, latest *relayer.Block, each group) (done bool) {
	for range 2 {
		if g.tooLate(each.members) {
			return false
		}
		paid, cost, err := g.afford(ctx, latest, each)
		if err != nil {
			return g.obstruct(each.members, err)
		}
		if len(paid.members) == 0 {
			return true
		}
		before := g.prices[paid.mandatory()]
		refusal, done := g.attempt(ctx, latest, paid, cost)
		switch {
		case refusal == nil:
			return done
		case judge(refusal) == tooLarge && len(paid.members) > 1:
			return g.halve(ctx, latest, paid.members)
		case !g.prices[paid.mandatory()].GT(before):
			return done
		}
		each = paid
	}
	return true
}

// attempt makes one transaction and sends it. A refusal has been dealt with.
func (g *signer) attempt(ctx context.Context, latest *relayer.Block, each group, cost bill) (refusal *chain.Refusal, done bool) {
	a, err := g.sign(latest, each, cost)
	if err != nil {
		return nil, g.obstruct(each.members, err)
	}
	if err := a.record(g.CallsAtOnce, a.members); err != nil {
		g.withdraw(a, err)
		return nil, false
	}
	g.counters.attempts.Add(1)
	g.attempts = append(g.attempts, a)
	err = g.broadcast(ctx, a)
	if errors.As(err, &refusal) {
		g.counters.refused.Add(1)
		return refusal, g.refused(ctx, a, refusal, latest.Height)
	}
	g.purse.pay(a.rec.FeeUpokt)
	if err != nil {
		a.taken = !errors.Is(err, chain.ErrNotSent)
		g.silent(ctx, "cannot send a transaction", err)
		return nil, false
	}
	a.taken, a.sentAt = true, latest.Height
	for _, p := range a.members {
		p.refusal, p.unpaid = nil, nil
	}
	g.Logger.Info("transaction sent", "supplier", g.address, "tx", a.rec.Hash, "messages", a.rec.Messages,
		"bytes", len(a.rec.TxBytes), "gas", a.rec.GasWanted, "fee_upokt", a.rec.FeeUpokt,
		"height", latest.Height, "timeout_height", a.rec.TimeoutHeight)
	return nil, true
}

// tooLate reports whether a transaction with the messages of submissions could
// only be included after the first of their deadlines: blocks may have come since
// the step began. The others then go without those that are late.
func (g *signer) tooLate(members []*pending) bool {
	earliest, late := g.height()+1, false
	for _, p := range members {
		if earliest <= p.sub.Deadline {
			continue
		}
		late = true
		p.trouble = fmt.Errorf("could be included at height %d at the earliest", earliest)
		g.Logger.Warn("message is not sent, for it would come too late", "supplier", g.address, "key", p.sub.Key,
			"height", earliest, "deadline", p.sub.Deadline)
	}
	return late
}

// noteTooMuchGas notes that no block has so much gas. Another signer may note more
// at the same time, which costs one more refusal.
func (g *signer) noteTooMuchGas(gas uint64) {
	if known := g.tooMuchGas.Load(); known == 0 || gas < known {
		g.tooMuchGas.Store(gas)
	}
}

// gasOf returns the gas limit of the transaction for submissions.
func (g *signer) gasOf(each group) (uint64, error) {
	factor := g.GasAdjustment
	for _, p := range each.members {
		factor = max(factor, g.GasAdjustment*p.gas)
	}
	return gasLimit(each.gasUsed, factor)
}

func (e group) mandatory() bool { return e.members[0].sub.Mandatory }

// sign makes the next attempt for submissions, and enters them in it.
func (g *signer) sign(latest *relayer.Block, each group, cost bill) (*attempt, error) {
	d := newDraft(each.members)
	d.gas, d.fee, d.timeout = cost.gas, cost.fee, g.nextTimeout(latest)
	txBytes, err := d.sign(g.priv, g.node.ChainID(), g.account)
	if err != nil {
		return nil, err
	}
	a := &attempt{
		searched: latest.Height, short: cost.short,
		rec: relayer.TxAttempt{
			Hash: hashOf(txBytes), FeeUpokt: cost.fee.Int64(), GasWanted: cost.gas, Messages: len(each.members),
			SentHeight: latest.Height, TimeoutHeight: d.timeoutHeight, TimeoutUnixNs: d.timeout, TxBytes: txBytes,
		},
	}
	for _, p := range each.members {
		a.join(p)
	}
	return a, nil
}

// refused deals with an attempt that the only node it was sent to refuses.
func (g *signer) refused(ctx context.Context, a *attempt, refusal *chain.Refusal, height int64) (done bool) {
	verdict := judge(refusal)
	if verdict == nodeBusy {
		g.Logger.Warn("node takes no transactions now", "supplier", g.address, "tx", a.rec.Hash, "error", refusal)
		return false
	}
	a.rec.Code, a.rec.Codespace, a.rec.Error = refusal.Code, refusal.Codespace, refusal.Log
	a.rec.TxBytes = nil // never to be sent again
	g.Logger.Warn("transaction was refused", "supplier", g.address, "tx", a.rec.Hash,
		"messages", len(a.members), "fee_upokt", a.rec.FeeUpokt, "error", refusal)
	g.note(a)
	members := a.members
	a.release(0)
	for _, p := range members {
		p.refusal, p.heldTill = refusal, height+1
	}
	switch verdict {
	case feeTooLow:
		if !a.short {
			g.raisePrice(ctx, members[0].sub.Mandatory)
		}
	case tooLarge:
		if errors.Is(refusal, sdkerrors.ErrInvalidGasLimit) {
			g.noteTooMuchGas(a.rec.GasWanted)
		}
		for _, p := range members {
			p.limit, p.heldTill = max(len(members)/2, 1), 0
		}
		if len(members) == 1 {
			members[0].fatal = refusal
		}
		return false
	case accountUnknown:
		g.known = false
	}
	return true
}

// raisePrice makes the price of gas what the node demands, within the limit.
func (g *signer) raisePrice(ctx context.Context, mandatory bool) {
	callCtx, cancel := g.bounded(ctx)
	defer cancel()
	demanded, err := g.node.MinGasPrice(callCtx)
	if err != nil {
		g.silent(ctx, "cannot ask for the minimum gas price", err)
		demanded = math.LegacyZeroDec()
	}
	limit := g.maxPrice
	if mandatory {
		limit = math.LegacyDec{}
	}
	price, ok := raise(g.prices[mandatory], demanded, limit)
	if !ok {
		g.Logger.Error("gas price is at its limit and too low", "supplier", g.address, "price", g.prices[mandatory], "demanded", demanded)
		return
	}
	g.Logger.Warn("gas price is raised", "supplier", g.address, "from", g.prices[mandatory], "to", price)
	g.prices[mandatory] = price
}

// The code of attempts that were recorded but never sent.
const (
	ownCodespace = "relayer"
	notSentCode  = 1
)

// withdraw gives up an attempt that could not be made durable.
func (g *signer) withdraw(a *attempt, cause error) {
	a.rec.Codespace, a.rec.Code, a.rec.Error = ownCodespace, notSentCode, fmt.Sprintf("not sent: %v", cause)
	a.rec.TxBytes = nil
	g.note(a)
	g.obstruct(a.members, cause)
	a.release(0)
}

// obstruct notes what is in the way of messages that are not to blame.
func (g *signer) obstruct(members []*pending, cause error) (done bool) {
	g.Logger.Error("transaction cannot be made", "supplier", g.address, "messages", len(members), "error", cause)
	for _, p := range members {
		p.trouble = cause
	}
	return false
}
