package session

import (
	"strings"
	"testing"
)

// controller is what an operator does to a sessions manager.
type controller interface {
	Pause(reason string) error
	Resume() error
}

func TestPause_HoldsClaimsUntilTheirWindowIsAboutToClose(t *testing.T) {
	chain := newFakeChain(t)
	chain.params.ClaimWindowCloseOffsetBlocks = 6
	b := newBench(t, chain)
	var c controller = b.manager
	if err := c.Pause("fees are high"); err != nil {
		t.Fatal(err)
	}
	b.sendAll(0, 3)
	w := chain.windows(4)
	for height := w.ClaimOpen; height < w.ClaimClose-watchMargin; height++ {
		b.chain.advance(height)
		eventually(t, "the block is worked on", func() bool { return b.manager.worked.Load() == height })
	}
	if n := chain.count("claim/"); n != 0 {
		t.Errorf("%d claims were submitted", n)
	}
	status := b.manager.QueueStatus()
	if status.Length != 1 || len(status.Paused) != 1 || !strings.Contains(status.Paused[0], "fees are high") {
		t.Errorf("queue: %+v", status)
	}
	b.chain.advance(w.ClaimClose - watchMargin)
	b.run(w.ProofClose - 1) // proofs are never held, though the pause goes on
	if record := b.record(); record.State != StateProven {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	b.run(w.ProofClose)
	if record := b.record(); record.State != StateSettled {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
}

func TestResume_LetsClaimsGoOn(t *testing.T) {
	chain := newFakeChain(t)
	chain.params.ClaimWindowCloseOffsetBlocks = 6
	b := newBench(t, chain)
	if err := b.manager.Pause("for a moment"); err != nil {
		t.Fatal(err)
	}
	b.sendAll(0, 3)
	b.chain.advance(chain.windows(4).ClaimOpen)
	eventually(t, "the session waits", func() bool { return b.manager.QueueStatus().Length == 1 })
	if err := b.manager.Resume(); err != nil {
		t.Fatal(err)
	}
	b.rest()
	if n := chain.count("claim/"); n != 1 {
		t.Errorf("%d claims were submitted", n)
	}
}
