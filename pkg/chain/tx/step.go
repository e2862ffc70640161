package tx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// step does what the newest block allows: ends submissions, looks after attempts
// and makes new ones. It reports false if something is left that need not wait
// for the next block.
func (g *signer) step(ctx context.Context, latest *relayer.Block) (done bool) {
	done = g.settle(ctx, latest)
	if len(g.waiting) == 0 {
		return done
	}
	done = g.tend(ctx, latest) && done
	return g.send(ctx, latest) && done
}

// settle asks the chain's state which messages are in force, and ends those that
// are, and those that cannot be any more.
func (g *signer) settle(ctx context.Context, latest *relayer.Block) (done bool) {
	state, err := g.stateHeight(ctx)
	if err != nil {
		g.silent(ctx, "chain cannot be asked what is in force", err)
		for _, p := range g.waiting {
			p.trouble = err
		}
		return false
	}
	g.look(ctx, state)
	done = true
	var waiting []*pending
	for _, p := range g.waiting {
		outcome, ended := p.ending(state, latest.Height)
		if ended {
			g.trace(ctx, p, latest.Height)
			g.finish(p, outcome)
			continue
		}
		waiting = append(waiting, p)
		// The state may follow within moments.
		if p.absentAt == 0 || p.absentAt < p.fence || latest.Height >= p.sub.Deadline {
			done = false
		}
	}
	g.waiting = waiting
	return done
}

// look asks the chain's state, which is of the given height, what is in force.
func (g *signer) look(ctx context.Context, state int64) {
	each(g.CallsAtOnce, len(g.waiting), func(i int) {
		p := g.waiting[i]
		p.unknown = nil
		if state <= p.absentAt {
			return
		}
		callCtx, cancel := g.bounded(ctx)
		defer cancel()
		p.inForce, p.unknown = p.sub.InForce(callCtx)
		if p.unknown == nil && !p.inForce {
			p.absentAt, p.trouble = state, nil
		}
	})
	for _, p := range g.waiting {
		if p.unknown != nil {
			p.trouble = fmt.Errorf("ask whether in force: %w", p.unknown)
			g.silent(ctx, "chain cannot be asked whether a message is in force", p.unknown)
		}
	}
}

// ending says, from what look has learned, whether and how a submission has ended.
// state is the height of the state that was asked, height that of the newest block.
func (p *pending) ending(state, height int64) (outcome relayer.Outcome, ended bool) {
	switch {
	case p.unknown != nil:
		return relayer.Outcome{}, false
	case p.inForce:
		return relayer.Outcome{State: relayer.InForce, Height: state}, true
	case p.fatal != nil && len(p.attempts) == 0:
		return relayer.Outcome{State: relayer.Failed, Height: state, Err: fmt.Errorf("%s: %w", p.sub.Key, p.fatal)}, true
	case p.overdue(height):
		return p.lost(height), true
	}
	return relayer.Outcome{}, false
}

// trace notes which block has the transaction of a submission that has ended, for
// the record. The outcome does not depend on it.
func (g *signer) trace(ctx context.Context, p *pending, height int64) {
	for _, a := range slices.Clone(p.attempts) {
		if _, err := g.search(ctx, a, height); err != nil {
			g.Logger.Debug("cannot look for the transaction of a message that has ended",
				"supplier", g.address, "tx", a.rec.Hash, "error", err)
		}
	}
}

// tend looks after the attempts that may still be included: it learns what became
// of them and sends them again.
func (g *signer) tend(ctx context.Context, latest *relayer.Block) (done bool) {
	done = true
	for _, a := range g.attempts {
		if len(a.members) > 0 {
			done = g.tendOne(ctx, a, latest) && done
		}
	}
	g.attempts = slices.DeleteFunc(g.attempts, func(a *attempt) bool { return len(a.members) == 0 })
	return done
}

func (g *signer) tendOne(ctx context.Context, a *attempt, latest *relayer.Block) (done bool) {
	done = true
	if _, err := g.search(ctx, a, latest.Height); err != nil {
		g.silent(ctx, "cannot look for a transaction", err)
		done = false
	}
	switch {
	case len(a.members) == 0: // found to have failed, and given up
	case a.rec.Included > 0 && a.rec.Code == 0: // the state will show it
	case a.rec.Included > 0 || a.rec.Code != 0:
		a.release(0)
	case a.superseded:
		a.release(latest.Height)
	case !canLand(a.rec, latest):
		g.Logger.Warn("transaction was not included in time", "supplier", g.address, "tx", a.rec.Hash,
			"sent_height", a.rec.SentHeight, "timeout_height", a.rec.TimeoutHeight)
		a.release(latest.Height)
	case len(a.rec.TxBytes) > 0 && a.sentAt < latest.Height && !a.mute:
		done = g.again(ctx, a, latest.Height) && done
	}
	return done
}

// again sends the same bytes again.
func (g *signer) again(ctx context.Context, a *attempt, height int64) (done bool) {
	if a.unrecorded {
		if err := a.record(g.CallsAtOnce); err != nil {
			return g.obstruct(a.members, err)
		}
		a.unrecorded = false
	}
	g.counters.rebroadcasts.Add(1)
	err := g.broadcast(ctx, a)
	var refusal *chain.Refusal
	switch {
	case err == nil:
		a.taken, a.sentAt = true, height
		return true
	case !errors.As(err, &refusal):
		a.taken = a.taken || !errors.Is(err, chain.ErrNotSent)
		g.silent(ctx, "cannot send a transaction again", err)
		return false
	}
	g.counters.refused.Add(1)
	if a.taken {
		// It may be in a block that has not been seen, or in another node's
		// mempool. Only time ends it.
		a.sentAt = height
		g.Logger.Debug("transaction sent again was refused", "supplier", g.address, "tx", a.rec.Hash, "error", refusal)
		return true
	}
	return g.refused(ctx, a, refusal, height)
}

func (g *signer) broadcast(ctx context.Context, a *attempt) error {
	ctx, cancel := g.bounded(ctx)
	defer cancel()
	return g.node.Broadcast(ctx, a.rec.TxBytes)
}

func (g *signer) stateHeight(ctx context.Context) (int64, error) {
	ctx, cancel := g.bounded(ctx)
	defer cancel()
	return g.node.StateHeight(ctx)
}

// silent counts and tells of a call that got no answer. When the signer is being
// stopped none does.
func (g *signer) silent(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	g.counters.unreachable.Add(1)
	g.Logger.Warn(what, "supplier", g.address, "error", err)
}
