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
	g.purse.forget()
	done = true
	most := room{messages: g.MaxMessages, bytes: g.limits.maxBytes(g.MaxBytes), gas: g.limits.maxGas()}
	for _, batch := range pack(free, most, g.gasAbout) {
		if g.busy {
			for _, p := range batch {
				p.trouble = errBusy
			}
			done = false
			continue
		}
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

// exceedsBlock reports whether a transaction of several messages would have more gas or
// bytes than are to be asked for, as was learned since it was packed.
func (g *signer) exceedsBlock(each group) bool {
	bytes := envelopeBytes
	for _, p := range each.members {
		bytes += p.bytes()
	}
	gas, err := g.gasOf(each)
	most := g.limits.maxGas()
	return bytes > g.limits.maxBytes(g.MaxBytes) || err == nil && most > 0 && gas > most
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
// time and be paid for. If its fee is too low it is followed by one with a higher fee,
// if it needs another sequence by one with that, if it is too large by its halves.
func (g *signer) launch(ctx context.Context, latest *relayer.Block, each group) (done bool) {
	for range 3 {
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
		before := g.terms(paid)
		refusal, done := g.attempt(ctx, latest, paid, cost)
		switch {
		case refusal == nil:
			return done
		case judge(refusal) == tooLarge && len(paid.members) > 1:
			return g.halve(ctx, latest, paid.members)
		case g.terms(paid) == before:
			return done
		}
		each = paid
	}
	return true
}

// terms are what a refusal can change about the next transaction.
type terms struct {
	price   string
	ordered bool
	next    uint64
}

func (g *signer) terms(each group) terms {
	return terms{g.prices[each.mandatory()].String(), g.seq.ordered, g.seq.next}
}

// attempt makes one transaction and sends it. A refusal has been dealt with.
func (g *signer) attempt(ctx context.Context, latest *relayer.Block, each group, cost bill) (refusal *chain.Refusal, done bool) {
	a, err := g.sign(latest, each, cost)
	if errors.Is(err, errPredecessor) {
		for _, p := range each.members {
			p.trouble = err
		}
		return nil, false
	}
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
		p.sent(latest.Height)
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
	d.gas, d.fee, d.timeoutHeight = cost.gas, cost.fee, lastBlock(d.timeoutHeight, latest.Height)
	if !g.seq.ordered {
		d.timeout = g.nextTimeout(latest)
	} else if err := g.enqueue(&d, latest); err != nil {
		return nil, err
	}
	txBytes, err := d.sign(g.priv, g.node.ChainID(), g.account)
	if err != nil {
		return nil, err
	}
	a := &attempt{
		searched: latest.Height, short: cost.short,
		rec: relayer.TxAttempt{
			Hash: hashOf(txBytes), FeeUpokt: cost.fee.Int64(), GasWanted: cost.gas, Messages: len(each.members),
			SentHeight: latest.Height, TimeoutHeight: d.timeoutHeight, TimeoutUnixNs: d.timeout, TxBytes: txBytes,
			Ordered: d.ordered, Sequence: d.sequence,
		},
	}
	for _, p := range each.members {
		a.join(p)
	}
	return a, nil
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
