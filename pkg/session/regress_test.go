package session

import "testing"

func TestRegression_WhatWasBegunBeforeIsDroppedAndEverySessionAskedAboutAnew(t *testing.T) {
	chain := newFakeChain(t)
	chain.params.ClaimWindowCloseOffsetBlocks = 6
	b := newBench(t, chain)
	b.sendAll(0, 3)
	w := chain.windows(4)
	asked, let := make(chan struct{}), make(chan struct{})
	chain.set(func(c *fakeChain) { c.onClaim = func() { close(asked); <-let } })
	chain.advance(w.ClaimOpen)
	<-asked // a step is under way
	chain.set(func(c *fakeChain) { c.gone++ })
	chain.advance(w.ClaimOpen + 1)
	eventually(t, "the block is worked on", func() bool { return b.manager.worked.Load() == w.ClaimOpen+1 })
	close(let)
	b.run(w.ProofClose)
	if record := b.record(); record.State != StateSettled {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
	if counts := b.manager.QueueStatus().Counts; counts.Stale == 0 {
		t.Errorf("nothing was dropped: %+v", counts)
	}
}
