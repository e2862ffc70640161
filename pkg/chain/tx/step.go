package tx

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// step does what the newest block allows: ends submissions, sends attempts again and
// makes new ones. It reports false if something is left that need not wait for the
// next block.
func (g *signer) step(ctx context.Context, latest *relayer.Block) (done bool) {
	if len(g.waiting) == 0 {
		return true
	}
	done = g.followUp(ctx, latest)
	return g.send(ctx, latest) && done
}

// settle asks the chain's state which messages are in force, and ends those that
// are, and those that cannot be any more.
func (g *signer) settle(ctx context.Context, latest *relayer.Block) (done bool) {
	// Before the state's height, which is then as new or newer.
	next, asked := g.askSequence(ctx)
	state, err := g.stateHeight(ctx)
	if err != nil {
		g.silent(ctx, "chain cannot be asked what is in force", err)
		for _, p := range g.waiting {
			p.trouble = err
		}
		return false
	}
	if asked {
		g.seq.note(next, state)
	}
	g.look(ctx, state)
	done = true
	var waiting []*pending
	for _, p := range g.waiting {
		outcome, ended := p.ending(state, latest.Height)
		if ended {
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

// tend looks after the attempts: those that may still be included are sent again,
// the others give their messages back.
func (g *signer) tend(ctx context.Context, latest *relayer.Block) (done bool) {
	done = true
	for _, a := range g.attempts {
		if len(a.members) > 0 {
			done = g.tendOne(ctx, a, latest) && done
		}
	}
	g.retire(latest)
	return done
}

func (g *signer) tendOne(ctx context.Context, a *attempt, latest *relayer.Block) (done bool) {
	switch {
	case a.rec.Included > 0 && a.rec.Code == 0: // the state will show it
	case a.rec.Included > 0 || a.rec.Code != 0:
		a.release(0)
	case g.seq.used(a.rec): // it may be in a block, which is looked for first
	case a.superseded:
		a.release(latest.Height)
	case !canLand(a.rec, latest):
		g.Logger.Warn("transaction was not included in time", "supplier", g.address, "tx", a.rec.Hash,
			"sent_height", a.rec.SentHeight, "timeout_height", a.rec.TimeoutHeight)
		a.release(latest.Height)
	case len(a.rec.TxBytes) > 0 && a.sentAt < latest.Height && !a.mute && !g.busy:
		return g.again(ctx, a, latest.Height)
	}
	return true
}

// again sends the same bytes again.
func (g *signer) again(ctx context.Context, a *attempt, height int64) (done bool) {
	if a.unrecorded {
		if err := a.record(g.CallsAtOnce, a.members); err != nil {
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
		for _, p := range a.members {
			p.sent(a.rec.SentHeight)
		}
		return true
	case !errors.As(err, &refusal):
		a.taken = a.taken || !errors.Is(err, chain.ErrNotSent)
		g.silent(ctx, "cannot send a transaction again", err)
		return false
	}
	if a.taken {
		// It may be in a block that has not been seen, or in another node's
		// mempool. Only time ends it.
		a.sentAt = height
		if judge(refusal) == feeTooLow {
			g.outbid(ctx, a, refusal)
		}
		g.Logger.Debug("transaction sent again was refused", "supplier", g.address, "tx", a.rec.Hash, "error", refusal)
		return true
	}
	g.counters.refused.Add(1)
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
