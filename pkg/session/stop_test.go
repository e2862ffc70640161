package session

import (
	"context"
	"testing"
	"time"
)

// leave stops the manager as its owner does, and leaves the store open. The submitter is
// the manager's to stop.
func (b *bench) leave() {
	b.mined.Close()
	b.manager.Stop()
	b.watching.Wait()
}

// following returns a bench whose submitter does something while it is stopped, and whose
// session is in the state.
func following(t *testing.T, state State, parting func(*fakeChain)) *bench {
	t.Helper()
	chain := newFakeChain(t)
	b := newBench(t, chain, WithSubmitterStop(func(context.Context) error {
		parting(chain)
		chain.stop()
		return nil
	}))
	b.sendAll(0, 5)
	for b.rest(); b.state() != state; b.rest() {
		chain.advance(chain.Latest().Height + 1)
	}
	return b
}

func TestStop_StateMovesWithAnOutcomeThatTheSubmitterFollowsToTheLast(t *testing.T) {
	for from, to := range map[State]State{StateClaiming: StateClaimed, StateProving: StateProven} {
		b := following(t, from, func(c *fakeChain) { c.advance(c.Latest().Height + 1) })
		b.leave()
		if got := b.state(); got != to {
			t.Errorf("stopped while %s: the session is %s", from, got)
		}
		b.shut()
	}
}

func TestStop_TakesNoStepWhileTheSubmitterIsStopped(t *testing.T) {
	b := following(t, StateClaiming, func(c *fakeChain) { c.advance(c.windows(4).ProofOpen + 1) })
	b.leave()
	if got := b.state(); got != StateClaimed || b.chain.count("proof") > 0 {
		t.Errorf("the session is %s, submitted: %v", got, b.chain.submitted)
	}
	b.shut()
}

func TestStop_OutcomeThatIsNotLookedUpInTimeIsFoundAfterTheRestart(t *testing.T) {
	b := following(t, StateClaiming, func(c *fakeChain) {
		c.set(func(c *fakeChain) { c.silent = true })
		c.advance(c.Latest().Height + 1)
	})
	b.manager.concludeIn = time.Millisecond
	b.leave()
	if got := b.state(); got != StateClaiming {
		t.Errorf("the session is %s though its claim could not be looked up", got)
	}
	b.shut()
	b.chain.set(func(c *fakeChain) { c.silent = false })
	b.start()
	b.rest()
	if got := b.state(); got != StateClaimed {
		t.Errorf("after the restart the session is %s", got)
	}
	if n := b.chain.count("claim"); n != 1 {
		t.Errorf("%d claims were submitted", n)
	}
}

func TestStop_WithoutAnOutcomeParksTheSession(t *testing.T) {
	b := following(t, StateClaiming, func(*fakeChain) {})
	b.leave()
	if got := b.state(); got != StateClaiming {
		t.Errorf("the session is %s", got)
	}
	b.shut()
}
