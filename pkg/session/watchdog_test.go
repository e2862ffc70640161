package session

import (
	"context"
	"strings"
	"sync/atomic"
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
	b.manager.stuckTime = 0
	b.sendAll(0, 2)
	b.run(w.ProofOpen - 1)
	deaf.deaf <- struct{}{}
	b.blocks(w.ProofOpen + stuckBlocks) // and nobody rests: a step hangs
	b.run(w.ProofClose)
	record := b.record()
	if record.State != StateSettled || b.manager.AtRisk().Restarted != 1 {
		t.Errorf("the session is %s, %+v: %+v", record.State, b.manager.AtRisk(), record.Timeline)
	}
	if strings.Contains(record.Timeline[len(record.Timeline)-1].Reason, "stuck") {
		t.Error("the story tells of an end that was none")
	}
}

// slow is a chain that answers lookups of claims when it is told to.
type slow struct {
	*fakeChain
	asked  chan struct{} // has a token when somebody waits
	answer chan struct{} // closed when answers are given
}

func (c *slow) Claim(ctx context.Context, sessionID, supplier string) (*prooftypes.Claim, error) {
	select {
	case c.asked <- struct{}{}:
	default:
	}
	select {
	case <-c.answer:
		return c.fakeChain.Claim(ctx, sessionID, supplier)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A chain that stood still makes many blocks at once, or a node hands them over so.
func TestWatchdog_LeavesStepsAloneWhenManyBlocksComeAtOnce(t *testing.T) {
	chain := newFakeChain(t)
	chain.params.ClaimWindowCloseOffsetBlocks = 100
	late := &slow{fakeChain: chain, asked: make(chan struct{}, 1), answer: make(chan struct{})}
	b := newBench(t, chain)
	b.manager.deps.proofs = late
	b.sendAll(0, 2)
	w := chain.windows(4)
	b.run(w.ClaimOpen - 1)
	b.blocks(w.ClaimOpen)
	<-late.asked
	b.blocks(w.ClaimOpen + 50)
	close(late.answer)
	b.run(w.ProofClose)
	if record := b.record(); record.State != StateSettled || b.manager.AtRisk().Restarted != 0 {
		t.Errorf("the session is %s, %+v: %+v", record.State, b.manager.AtRisk(), record.Timeline)
	}
}

func TestWatchdog_TellsOfASessionThatCannotBeSealed(t *testing.T) {
	var broken atomic.Bool
	chain := newFakeChain(t)
	chain.params.ClaimWindowCloseOffsetBlocks = 5
	b := newBenchOn(t, chain, brittle(&broken))
	b.sendAll(0, 2)
	b.breakDisk(&broken)
	b.run(chain.windows(4).ClaimClose - watchMargin)
	if risk := b.manager.AtRisk(); risk.Claims != 1 {
		t.Errorf("at risk: %+v, want one claim", risk)
	}
	b.mendDisk(&broken)
}
