package session

import (
	"context"
	"sync/atomic"
	"testing"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
)

// swayingChain is a chain that can go back. Its first answer about a claim can be
// held back until it has.
type swayingChain struct {
	*fakeChain
	gone  atomic.Uint64
	hold  atomic.Bool
	asked chan struct{} // closed when the answer is held back
	let   chan struct{} // closed to let it go
}

func (c *swayingChain) Regressions() uint64 { return c.gone.Load() }

func (c *swayingChain) Claim(ctx context.Context, sessionID, supplier string) (*prooftypes.Claim, error) {
	claim, err := c.fakeChain.Claim(ctx, sessionID, supplier)
	if c.hold.CompareAndSwap(true, false) {
		close(c.asked)
		<-c.let
	}
	return claim, err
}

func TestRegression_WhatWasBegunBeforeIsDroppedAndEverySessionAskedAboutAnew(t *testing.T) {
	chain := &swayingChain{fakeChain: newFakeChain(t), asked: make(chan struct{}), let: make(chan struct{})}
	chain.params.ClaimWindowCloseOffsetBlocks = 6
	b := newBench(t, chain.fakeChain)
	b.manager.blocks, b.manager.proofs = chain, chain
	b.sendAll(0, 3)
	w := chain.windows(4)
	chain.hold.Store(true)
	chain.advance(w.ClaimOpen)
	<-chain.asked // a step is under way
	chain.gone.Add(1)
	chain.advance(w.ClaimOpen + 1)
	eventually(t, "the block is worked on", func() bool { return b.manager.worked.Load() == w.ClaimOpen+1 })
	close(chain.let)
	b.run(w.ProofClose)
	if record := b.record(); record.State != StateSettled {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
	if counts := b.manager.QueueStatus().Counts; counts.Stale == 0 {
		t.Errorf("nothing was dropped: %+v", counts)
	}
}
