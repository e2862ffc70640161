package tx

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/math"

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
	done = true
	for _, batch := range pack(free, g.MaxMessages, g.MaxBytes) {
		groups, simulated := g.simulate(ctx, latest, batch)
		done = simulated && done
		for _, each := range g.rejoin(ctx, latest, groups) {
			done = g.launch(ctx, latest, each) && done
		}
	}
	return done
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

// launch signs, records and sends a transaction. If its fee is too low it is
// followed by one more with a higher fee.
func (g *signer) launch(ctx context.Context, latest *relayer.Block, each group) (done bool) {
	for range 2 {
		a, err := g.sign(latest, each)
		if err != nil {
			return g.obstruct(each.members, err)
		}
		if err := a.record(g.CallsAtOnce); err != nil {
			g.withdraw(a, err)
			return false
		}
		g.counters.attempts.Add(1)
		g.attempts = append(g.attempts, a)
		err = g.broadcast(ctx, a)
		var refusal *chain.Refusal
		switch {
		case err == nil:
			a.taken, a.sentAt = true, latest.Height
			for _, p := range a.members {
				p.refusal = nil
			}
			g.Logger.Info("transaction sent", "supplier", g.address, "tx", a.rec.Hash, "messages", a.rec.Messages,
				"bytes", len(a.rec.TxBytes), "gas", a.rec.GasWanted, "fee_upokt", a.rec.FeeUpokt,
				"height", latest.Height, "timeout_height", a.rec.TimeoutHeight)
			return true
		case !errors.As(err, &refusal):
			a.taken = !errors.Is(err, chain.ErrNotSent)
			g.silent(ctx, "cannot send a transaction", err)
			return false
		}
		g.counters.refused.Add(1)
		before := g.prices[each.mandatory()]
		done = g.refused(ctx, a, refusal, latest.Height)
		if !g.prices[each.mandatory()].GT(before) {
			return done
		}
	}
	return done
}

func (e group) mandatory() bool { return e.members[0].sub.Mandatory }

// sign makes the next attempt for submissions, and enters them in it.
func (g *signer) sign(latest *relayer.Block, each group) (*attempt, error) {
	factor := g.GasAdjustment
	for _, p := range each.members {
		factor = max(factor, g.GasAdjustment*p.gas)
	}
	gas, err := gasLimit(each.gasUsed, factor)
	if err != nil {
		return nil, err
	}
	fee, err := feeFor(gas, g.prices[each.mandatory()])
	if err != nil {
		return nil, err
	}
	d := newDraft(each.members)
	d.gas, d.fee, d.timeout = gas, fee, g.nextTimeout(latest)
	txBytes, err := d.sign(g.priv, g.node.ChainID(), g.account)
	if err != nil {
		return nil, err
	}
	a := &attempt{
		searched: latest.Height,
		rec: relayer.TxAttempt{
			Hash: hashOf(txBytes), FeeUpokt: fee.Int64(), GasWanted: gas, Messages: len(each.members),
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
		g.raisePrice(ctx, members[0].sub.Mandatory)
	case tooLarge:
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
