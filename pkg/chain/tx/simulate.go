package tx

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// simulate has the chain execute a batch without effect. If it is refused the
// halves are simulated, until those messages are alone that are refused by
// themselves; these are held until the next block.
func (g *signer) simulate(ctx context.Context, latest *relayer.Block, batch []*pending) (passed []group, done bool) {
	used, err := g.simulateTx(ctx, latest, batch)
	var refusal *chain.Refusal
	switch {
	case errors.Is(err, errPredecessor):
		for _, p := range batch {
			p.trouble, p.heldTill = err, latest.Height+1
		}
		return nil, true
	case err == nil:
		for _, p := range batch {
			p.suspect = false
		}
		passed := group{batch, used}
		g.weigh(passed)
		return []group{passed}, true
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
func (g *signer) hold(p *pending, refusal *chain.Refusal, height int64) {
	g.counters.refusal(refusal)
	if !p.suspect {
		g.Logger.Warn("message is refused by simulation", "supplier", g.address, "key", p.sub.Key,
			"height", height, "deadline", p.sub.Deadline, "error", refusal)
	}
	p.suspect, p.refusal, p.heldTill = true, refusal, height+1
}

// simulateTx returns the gas that a transaction of a batch uses. The error is a
// *chain.Refusal if the messages are refused, and wraps errPredecessor if the sequence
// of the account is not known well enough to tell.
func (g *signer) simulateTx(ctx context.Context, latest *relayer.Block, batch []*pending) (gasUsed uint64, err error) {
	for {
		txBytes, used, err := g.simulateOnce(ctx, latest, batch)
		var refusal *chain.Refusal
		if !errors.As(err, &refusal) {
			return used, err
		}
		again, stuck := g.relearn(ctx, latest, txBytes)
		if stuck != nil {
			return 0, fmt.Errorf("%w: %s", errPredecessor, stuck.Error())
		}
		if !again {
			return 0, err
		}
	}
}

// simulateOnce simulates a batch. Whether the node that simulates has the transactions
// under way is not known: where the sequence after those does not pass, the one that
// the state has is tried. It returns the transaction with the former.
func (g *signer) simulateOnce(ctx context.Context, latest *relayer.Block, batch []*pending) (txBytes []byte, gasUsed uint64, err error) {
	d := newDraft(batch)
	d.timeout = latest.Time.Add(g.Life).UnixNano()
	if g.seq.ordered {
		d.ordered, d.sequence = true, g.nextSequence(latest)
	}
	if txBytes, err = d.unsigned(g.priv.PubKey()); err != nil {
		return nil, 0, err
	}
	gasUsed, err = g.simulateBytes(ctx, txBytes)
	var refusal *chain.Refusal
	if d.sequence == g.seq.next || !d.ordered || !errors.As(err, &refusal) {
		return txBytes, gasUsed, err
	}
	d.sequence = g.seq.next
	other, err := d.unsigned(g.priv.PubKey())
	if err != nil {
		return nil, 0, err
	}
	gasUsed, err = g.simulateBytes(ctx, other)
	return txBytes, gasUsed, err
}

func (g *signer) simulateBytes(ctx context.Context, txBytes []byte) (gasUsed uint64, err error) {
	ctx, cancel := g.bounded(ctx)
	defer cancel()
	return g.node.Simulate(ctx, txBytes)
}
