package session

import (
	"context"
	"strings"
	"testing"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestWatchdog_TellsOfAProofThatIsNotInForceNearTheEnd(t *testing.T) {
	chain := newFakeChain(t)
	chain.params.ProofWindowCloseOffsetBlocks = 5
	b := newBench(t, chain)
	chain.lose([]string{"proofs"})
	b.sendAll(0, 2)
	w := chain.windows(4)
	b.run(w.ProofClose - watchMargin - 1)
	if risk := b.manager.AtRisk(); risk != (AtRisk{}) {
		t.Errorf("at risk early on: %+v", risk)
	}
	b.run(w.ProofClose - watchMargin)
	if risk := b.manager.AtRisk(); risk.Proofs != 1 || risk.Claims != 0 {
		t.Errorf("at risk: %+v, want one proof", risk)
	}
	chain.lose(nil)
	b.run(w.ProofClose)
	if record := b.record(); record.State != StateSettled {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
	if risk := b.manager.AtRisk(); risk.Proofs != 0 {
		t.Errorf("at risk after the end: %+v", risk)
	}
}

func TestWatchdog_TellsOfAClaimThatIsNotInForceNearTheEnd(t *testing.T) {
	chain := newFakeChain(t)
	chain.params.ClaimWindowCloseOffsetBlocks = 5
	b := newBench(t, chain)
	chain.lose([]string{"claims"})
	b.sendAll(0, 2)
	b.run(chain.windows(4).ClaimClose - watchMargin)
	if risk := b.manager.AtRisk(); risk.Claims != 1 || risk.Proofs != 0 {
		t.Errorf("at risk: %+v, want one claim", risk)
	}
}

// deafOnce is a chain whose first lookup of a claim in the proof window never ends.
type deafOnce struct {
	*fakeChain
	deaf chan struct{} // has one token
	from int64
}

func (c *deafOnce) Claim(ctx context.Context, sessionID, supplier string) (*prooftypes.Claim, error) {
	if c.Latest().Height >= c.from {
		select {
		case <-c.deaf:
			<-ctx.Done()
			return nil, context.Cause(ctx)
		default:
		}
	}
	return c.fakeChain.Claim(ctx, sessionID, supplier)
}

var _ relayer.ProofQuerier = (*deafOnce)(nil)

func TestWatchdog_EndsAStepThatIsStuckAndHasItTakenAgain(t *testing.T) {
	chain := newFakeChain(t)
	chain.params.ProofWindowCloseOffsetBlocks = 6
	w := chain.windows(4)
	deaf := &deafOnce{fakeChain: chain, deaf: make(chan struct{}, 1), from: w.ProofOpen}
	b := newBench(t, chain)
	b.manager.deps.proofs = deaf
	b.sendAll(0, 2)
	b.run(w.ProofOpen - 1)
	deaf.deaf <- struct{}{}
	for height := w.ProofOpen; height <= w.ProofOpen+stuckBlocks; height++ {
		chain.advance(height) // and nobody rests: a step hangs
		eventually(t, "the block is worked on", func() bool { return b.manager.worked.Load() == height })
	}
	b.run(w.ProofClose)
	record := b.record()
	if record.State != StateSettled || b.manager.AtRisk().Restarted != 1 {
		t.Errorf("the session is %s, %+v: %+v", record.State, b.manager.AtRisk(), record.Timeline)
	}
	if strings.Contains(record.Timeline[len(record.Timeline)-1].Reason, "stuck") {
		t.Error("the story tells of an end that was none")
	}
}
