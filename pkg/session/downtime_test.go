package session

import (
	"fmt"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// away stops the relay miner while the chain goes on to a height, and starts it
// again. No block comes after that unless the test makes one.
func (b *bench) away(height int64) {
	b.t.Helper()
	b.stop()
	b.chain.stop() // what was submitted during the stop
	b.chain.advance(height)
	b.start()
	b.rest()
}

func TestSession_SettlementInABlockThatWasMissedIsFoundAfterTheRestart(t *testing.T) {
	for _, test := range []struct {
		name   string
		proven bool
		want   State
		detail string
	}{
		{"settled", true, StateSettled, "42upokt"},
		{"expired", false, StateExpired, "PROOF_MISSING"},
	} {
		for _, missed := range []int64{0, 1, 300} { // blocks after the settlement
			t.Run(fmt.Sprintf("%s/%d", test.name, missed), func(t *testing.T) {
				chain := newFakeChain(t)
				b := newBench(t, chain)
				chain.drop = func(s *relayer.Submission) bool { return s.Mandatory && !test.proven }
				b.sendAll(0, 2)
				w := chain.windows(4)
				b.run(w.ProofClose - 1)
				b.away(w.ProofClose + missed)
				record := b.record()
				if record.State != test.want {
					t.Fatalf("the session is %s: %+v", record.State, record.Timeline)
				}
				if got := record.SettledUpokt + record.Timeline[len(record.Timeline)-1].Reason; got != test.detail {
					t.Errorf("outcome is told as %q, want %q", got, test.detail)
				}
			})
		}
	}
}

func TestSession_ClaimAndProofThatAreDueAfterARestartDoNotWaitForTheBlocksThatWereMissed(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 2)
	w := chain.windows(4)
	b.away(w.ClaimClose - 1) // the last block in which a claim can still be sent
	if n := chain.count("claim/"); n != 1 {
		t.Fatalf("%d claims were sent with the first block: %+v", n, b.record().Timeline)
	}
	b.run(w.ClaimClose)
	b.away(w.ProofClose - 1)
	if n := chain.count("proof/"); n != 1 {
		t.Fatalf("%d proofs were sent with the first block: %+v", n, b.record().Timeline)
	}
	b.run(w.ProofClose)
	if state := b.state(); state != StateSettled {
		t.Errorf("the session is %s", state)
	}
}

func TestSession_OfWhichAllWindowsWereMissedIsOverAfterTheRestart(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 2)
	b.away(chain.windows(4).ProofClose + 300)
	// The root is fixed first, and what became of the claim concluded at the next block.
	b.run(chain.Latest().Height + 1)
	if record := b.record(); record.State != StateMissed || chain.count("claim/") != 0 {
		t.Errorf("the session is %s after %d claims: %+v", record.State, chain.count("claim/"), record.Timeline)
	}
}
