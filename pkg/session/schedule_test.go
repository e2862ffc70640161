package session

import (
	"testing"

	"github.com/seed52205347/relayminer/pkg/session/queue"
)

// blocks makes blocks up to the height and waits for each to be put in the queue,
// not for what it leads to.
func (b *bench) blocks(height int64) {
	b.t.Helper()
	for next := b.chain.Latest().Height + 1; next <= height; next++ {
		b.chain.advance(next)
		eventually(b.t, "the block is worked on", func() bool { return b.manager.worked.Load() == next })
	}
}

// A transaction that was sent for a session that is dropped ends some time, and
// with it nothing is left of the session.
func TestDrop_WorkThatEndsLaterDoesNotQueueTheSessionAgain(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 3)
	w := chain.windows(4)
	b.run(w.ClaimOpen)
	if _, err := b.inspector().Drop(t.Context(), Name{ID: header().SessionId}, true); err != nil {
		t.Fatal(err)
	}
	dropped := b.manager.queue.Stats().Counts
	b.blocks(w.ClaimOpen + 1) // has the claim, whose outcome is waited for
	eventually(t, "nothing runs for the session", func() bool { return b.manager.group.Len() == stepWorkers })
	b.blocks(w.ProofClose)
	if now := b.manager.queue.Stats().Counts; now.Added != dropped.Added || now.Taken != dropped.Taken {
		t.Errorf("the dropped session was queued again: %+v, before %+v", now, dropped)
	}
}

func TestUrgency_OfAStepFollowsFromWhatIsLostWithoutIt(t *testing.T) {
	w := windows{ClaimOpen: 6, ClaimClose: 12, ProofOpen: 13, ProofClose: 17}
	for _, test := range []struct {
		name     string
		state    State
		height   int64
		duty     queue.Duty
		deadline int64
	}{
		{"to be sealed", StateOpen, 6, queue.Claim, 12},
		{"to be claimed", StateSealed, 9, queue.Claim, 12},
		{"to be claimed soon", StateClaiming, 10, queue.UrgentClaim, 12},
		{"sealed too late", StateOpen, 12, queue.Other, 0},
		{"never claimed", StateSealed, 13, queue.Other, 0},
		{"perhaps claimed, and a proof may be wanted", StateClaiming, 13, queue.RequiredProof, 17},
		{"perhaps claimed, and settled", StateClaiming, 17, queue.Other, 0},
		{"to be proven", StateClaimed, 13, queue.RequiredProof, 17},
		{"to be settled", StateClaimed, 17, queue.Other, 0},
		{"proven", StateProven, 17, queue.Other, 0},
	} {
		next := nextStep(test.state, RequirementUnknown, w, test.height)
		if next == stepNone {
			t.Fatalf("%s: nothing is due", test.name)
		}
		if duty, deadline := urgency(next, test.state, w, test.height); duty != test.duty || deadline != test.deadline {
			t.Errorf("%s: %s until %d, want %s until %d", test.name, duty, deadline, test.duty, test.deadline)
		}
	}
}

// A claim may have been sent before a stop, be on chain, and want a proof: to find
// that out is not held by a pause.
func TestPause_DoesNotHoldTheLookForAClaimThatMayWantAProof(t *testing.T) {
	chain := newFakeChain(t)
	chain.params.ProofWindowCloseOffsetBlocks = 8
	b := newBench(t, chain)
	b.sendAll(0, 3)
	w := chain.windows(4)
	b.run(w.ClaimOpen)
	b.stop()
	root, err := func() ([]byte, error) {
		b.reopen()
		defer b.shut()
		return b.record().RootBytes()
	}()
	if err != nil {
		t.Fatal(err)
	}
	chain.set(func(c *fakeChain) {
		c.submissions = nil
		c.claims[claimKey(header().SessionId, testSupplier)] = newClaim(header(), testSupplier, root)
	})
	chain.advance(w.ClaimClose)
	b.start()
	if err := b.manager.Pause("for a long time"); err != nil {
		t.Fatal(err)
	}
	b.run(w.ProofClose - 1)
	if record := b.record(); record.State != StateProven {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
	if err := b.manager.Resume(); err != nil {
		t.Fatal(err)
	}
}

// Of sessions that end at once, the one that is worth most is claimed first, though
// no claim has been worth anything yet.
func TestQueue_OpenSessionsAreOrderedByWhatTheyHaveServed(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 7)
	key := b.record().Key()
	b.run(key.SessionEnd + 1)
	tree := b.manager.tree(key)
	item, due := tree.item(chain.windows(4).ClaimOpen)
	if !due || item.Reward == 0 {
		t.Fatalf("the open session is queued as %+v, due: %t", item, due)
	}
	b.run(chain.windows(4).ClaimOpen)
	if claimed := b.record().EstimatedUpokt; item.Reward != claimed {
		t.Errorf("it is queued for %d upokt, and claimed for %d", item.Reward, claimed)
	}
}
