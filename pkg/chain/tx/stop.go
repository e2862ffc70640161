package tx

import (
	"context"
	"slices"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Stop refuses new submissions, makes no new transactions, and follows those that
// are under way until the chain's state shows their effect, for StopPatience at
// most. Then it ends the signers and closes the channels of the submissions in
// progress without an outcome. Their transactions may still be included; their
// recorded attempts say which. The error wraps ctx.Err if ctx ends before
// everything has ended. Stopping twice is harmless.
func (s *Submitter) Stop(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	signers := make([]*signer, 0, len(s.signers))
	for _, g := range s.signers {
		signers = append(signers, g)
	}
	s.mu.Unlock()
	if first {
		close(s.parting)
	}
	if s.StopPatience > 0 {
		s.awaitParted(ctx, signers)
	}
	return s.group.Stop(ctx)
}

// awaitParted waits until the signers have nothing under way, but not for long.
func (s *Submitter) awaitParted(ctx context.Context, signers []*signer) {
	timer := time.NewTimer(s.StopPatience)
	defer timer.Stop()
	for _, g := range signers {
		select {
		case <-g.ended:
		case <-timer.C:
			s.Logger.Info("transactions are left under way, to be looked for at the next start", "waited", s.StopPatience)
			return
		case <-ctx.Done():
			return
		}
	}
}

// isParting reports whether the submitter is being stopped.
func (m *means) isParting() bool {
	select {
	case <-m.parting:
		return true
	default:
		return false
	}
}

// part is the rest of a signer's goroutine when the submitter stops: it follows
// what is under way, and returns when nothing is. Outcomes go to their channels and
// what becomes of transactions into the records, as ever.
func (g *signer) part(ctx context.Context) error {
	g.collect()                         // a former process may have sent it
	retry := time.NewTicker(firstRetry) // the state can follow its block by a moment
	defer retry.Stop()
	for {
		if g.anyUnderWay(g.blocks.Latest()) {
			latest, _, err := g.inTurn(ctx, g.followUp)
			if err != nil {
				return err
			}
			g.lookUp(ctx, latest)
		}
		if !g.anyUnderWay(g.blocks.Latest()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.wake:
		case <-retry.C:
		}
	}
}

// followUp ends submissions and sends attempts again, and makes no new ones.
func (g *signer) followUp(ctx context.Context, latest *relayer.Block) (done bool) {
	g.busy = false
	done = g.settle(ctx, latest)
	return g.tend(ctx, latest) && done
}

// anyUnderWay reports whether a transaction that a node may have can be included
// after the newest block, or was included and has not shown its effect.
func (g *signer) anyUnderWay(latest *relayer.Block) bool {
	return latest != nil && slices.ContainsFunc(g.attempts, func(a *attempt) bool {
		included := a.rec.Included > 0 && a.rec.Code == 0
		return len(a.members) > 0 && (included || a.taken && g.alive(a, latest))
	})
}
