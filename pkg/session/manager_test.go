package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"cosmossdk.io/depinject"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/queue"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

func TestMain(m *testing.M) {
	// The keyring's dependencies start a goroutine when the program starts.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

const (
	testSupplier = "pokt1supplier"
	testTimeout  = 20 * time.Second
)

// acceptAll is an EvidenceVerifier for relays without signatures.
type acceptAll struct{}

func (acceptAll) VerifyEvidence(context.Context, *servicetypes.Relay) error { return nil }

// bench is a sessions manager on a real store and a fake chain.
type bench struct {
	t        *testing.T
	dir      string
	onDisk   store.Options
	chain    *fakeChain
	options  []relayer.RelayerSessionsManagerOption
	receipts *relayer.Receipts
	store    *store.Store
	manager  *sessionsManager
	mined    *observable.Source[*relayer.MinedRelay]
	records  chan *Record
	watching sync.WaitGroup
}

// newBench starts a manager on an empty store.
func newBench(t *testing.T, chain *fakeChain, options ...relayer.RelayerSessionsManagerOption) *bench {
	return newBenchOn(t, chain, store.Options{}, options...)
}

// newBenchOn starts a manager on an empty store with some options.
func newBenchOn(t *testing.T, chain *fakeChain, onDisk store.Options, options ...relayer.RelayerSessionsManagerOption) *bench {
	b := &bench{t: t, dir: t.TempDir(), onDisk: onDisk, chain: chain, options: options}
	b.start()
	t.Cleanup(func() {
		b.stop()
		chain.blocks.Close()
	})
	return b
}

func (b *bench) start() {
	b.t.Helper()
	b.reopen()
	b.receipts = &relayer.Receipts{}
	made, err := NewRelayerSessionsManager(depinject.Supply(
		b.store, b.chain, acceptAll{}, b.receipts, slog.New(slog.DiscardHandler)), b.options...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.manager = made.(*sessionsManager)
	b.mined = observable.NewSource[*relayer.MinedRelay]()
	b.records = make(chan *Record, 1024)
	b.watch()
	b.manager.InsertRelays(b.mined)
	b.manager.Start(context.Background())
}

// reopen opens the store, and shut closes it.
func (b *bench) reopen() {
	b.t.Helper()
	var err error
	if b.store, err = store.Open(b.dir, b.onDisk); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) shut() {
	b.t.Helper()
	if err := b.store.Close(context.Background()); err != nil {
		b.t.Errorf("close store: %v", err)
	}
	b.store = nil
}

// watch collects the records of sessions as they change.
func (b *bench) watch() {
	transitions, _ := b.manager.Transitions().Subscribe(observable.WithBuffer(1024))
	done := observable.ForEach(transitions, func(_ context.Context, moved *Moved) error {
		b.records <- moved.Record
		return nil
	})
	records := b.records
	b.watching.Go(func() { <-done; close(records) })
}

// stop ends the manager as a process does that is asked to; what is on its way
// to the chain is parked.
func (b *bench) stop() {
	if b.store == nil {
		return
	}
	b.mined.Close()
	b.chain.stop()
	b.manager.Stop()
	b.shut()
	b.watching.Wait()
}

// restart stops the manager and starts another one on the same store.
func (b *bench) restart() {
	b.stop()
	b.start()
}

// until waits for the session to arrive in the state.
func (b *bench) until(state State) *Record {
	b.t.Helper()
	deadline := time.After(testTimeout)
	for {
		select {
		case record, ok := <-b.records:
			if !ok {
				b.t.Fatalf("the manager stopped before a session was %s", state)
			}
			if record.State == state {
				return record
			}
		case <-deadline:
			b.t.Fatalf("no session became %s", state)
		}
	}
}

// rest waits until nothing is being done but waiting for the next block.
func (b *bench) rest() {
	b.t.Helper()
	eventually(b.t, "the manager comes to rest", func() bool {
		b.manager.mu.Lock()
		defer b.manager.mu.Unlock()
		busy := 0
		for _, tree := range b.manager.trees {
			if tree.busy {
				busy++
			}
		}
		height := b.chain.Latest().Height
		return b.manager.worked.Load() == height && busy == b.chain.pending() &&
			b.idle() && b.manager.queue.Stats().Height == height
	})
}

// idle reports whether the queue gives nothing out, and nothing of it is worked on.
func (b *bench) idle() bool {
	line := b.manager.queue.Stats()
	return line.Working == 0 && !slices.ContainsFunc(b.manager.queue.First(queueBound), func(item queue.Item[*liveTree]) bool {
		return item.NotBefore == 0 && (len(line.Paused) == 0 || item.Duty >= queue.UrgentClaim)
	})
}

// eventually waits for a condition that nothing signals.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(testTimeout)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// header returns the header of the session that ends at height 4.
func header() *sessiontypes.SessionHeader {
	return &sessiontypes.SessionHeader{
		ApplicationAddress: "pokt1app", ServiceId: "anvil", SessionId: "session-1",
		SessionStartBlockHeight: 1, SessionEndBlockHeight: 4,
	}
}

// send hands n distinct relays over and returns how each ended.
func (b *bench) send(first, n int) []error {
	b.t.Helper()
	receipts := make([]*relayer.Receipt, n)
	for i := range n {
		relay := &servicetypes.Relay{
			Req: &servicetypes.RelayRequest{
				Meta:    servicetypes.RelayRequestMetadata{SessionHeader: header(), SupplierOperatorAddress: testSupplier},
				Payload: []byte(fmt.Sprintf("relay %d", first+i)),
			},
			Res: &servicetypes.RelayResponse{Payload: []byte("answer")},
		}
		receipts[i] = b.receipts.Expect(relay)
		if err := b.mined.Publish(context.Background(), mined(b.t, relay)); err != nil {
			b.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	errs := make([]error, n)
	for i, receipt := range receipts {
		errs[i] = receipt.Wait(ctx)
	}
	return errs
}

func (b *bench) sendAll(first, n int) {
	b.t.Helper()
	for i, err := range b.send(first, n) {
		if err != nil {
			b.t.Fatalf("relay %d: %v", first+i, err)
		}
	}
}

func mined(t *testing.T, relay *servicetypes.Relay) *relayer.MinedRelay {
	t.Helper()
	bz, err := relay.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(bz)
	return &relayer.MinedRelay{Served: relay, Bytes: bz, Hash: hash[:], ComputeUnits: 100}
}

func TestSession_IsClaimedProvenAndSettled(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 10)
	w := chain.windows(4)

	chain.advance(w.ClaimOpen)
	if sealed := b.until(StateSealed); sealed.Relays != 10 || sealed.ComputeUnits != 1000 {
		t.Errorf("sealed with %d relays, %d compute units", sealed.Relays, sealed.ComputeUnits)
	}
	b.until(StateClaiming)
	b.rest()
	chain.advance(w.ClaimOpen + 1)
	b.until(StateClaimed)
	b.rest()
	chain.advance(w.ProofOpen)
	b.until(StateProving)
	b.rest()
	chain.advance(w.ProofOpen + 1)
	b.until(StateProven)
	b.rest()
	chain.advance(w.ProofClose)
	settled := b.until(StateSettled)
	if settled.SettledUpokt != "42upokt" || settled.Requirement != RequirementProbabilistic {
		t.Errorf("settled at %q, requirement %q", settled.SettledUpokt, settled.Requirement)
	}
	if claims, proofs := chain.count("claim/"), chain.count("proof/"); claims != 1 || proofs != 1 {
		t.Errorf("%d claims and %d proofs were submitted", claims, proofs)
	}
}

func TestSession_WithoutRequiredProofIsSettledUnproven(t *testing.T) {
	chain := newFakeChain(t)
	chain.proof.ProofRequestProbability = 0
	b := newBench(t, chain)
	b.sendAll(0, 3)
	w := chain.windows(4)
	chain.advance(w.ClaimOpen)
	b.until(StateClaiming)
	b.rest()
	chain.advance(w.ClaimOpen + 1)
	b.until(StateClaimed)
	for height := w.ProofOpen; height <= w.ProofClose; height++ {
		b.rest()
		chain.advance(height)
	}
	if settled := b.until(StateSettled); settled.Requirement != RequirementNone {
		t.Errorf("requirement %q", settled.Requirement)
	}
	if proofs := chain.count("proof/"); proofs != 0 {
		t.Errorf("%d proofs were submitted", proofs)
	}
}

func TestSession_LateRelayIsRefusedAndStartsNoSecondClaim(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 3)
	w := chain.windows(4)
	chain.advance(w.ClaimOpen)
	root := b.until(StateSealed).Root
	for _, err := range b.send(100, 2) {
		if !errors.Is(err, relayer.ErrSessionSealed) {
			t.Errorf("late relay: %v", err)
		}
	}
	b.until(StateClaiming)
	b.rest()
	chain.advance(w.ClaimOpen + 1)
	if claimed := b.until(StateClaimed); claimed.Root != root || claimed.Relays != 3 {
		t.Errorf("claimed root %s of %d relays, sealed %s", claimed.Root, claimed.Relays, root)
	}
	b.restart()
	for _, err := range b.send(200, 1) {
		if !errors.Is(err, relayer.ErrSessionSealed) {
			t.Errorf("late relay after a restart: %v", err)
		}
	}
}

func TestSession_NeverSeenBeforeItsClaimWindowIsRefused(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	chain.advance(chain.windows(4).ClaimOpen)
	for _, err := range b.send(0, 1) {
		if !errors.Is(err, relayer.ErrSessionSealed) {
			t.Errorf("relay for a session in its claim window: %v", err)
		}
	}
}

func TestSession_GoesOnWhereARestartFindsIt(t *testing.T) {
	for _, at := range []State{StateOpen, StateSealed, StateClaiming, StateClaimed, StateProving, StateProven} {
		t.Run(string(at), func(t *testing.T) {
			chain := newFakeChain(t)
			b := newBench(t, chain)
			b.sendAll(0, 5)
			w := chain.windows(4)
			restarted := false
			for height := chain.Latest().Height + 1; height <= w.ProofClose; height++ {
				if at == StateSealed && height == w.ClaimOpen {
					chain.setClaimsDown(errors.New("node is down")) // the session stays sealed
				}
				chain.advance(height)
				b.rest()
				chain.setClaimsDown(nil)
				if !restarted && b.state() == at {
					restarted = true
					b.restart()
					b.rest()
				}
			}
			if !restarted {
				t.Fatalf("the session was never seen %s", at)
			}
			if settled := b.record(); settled.State != StateSettled || settled.Relays != 5 {
				t.Errorf("the session is %s with %d relays: %+v", settled.State, settled.Relays, settled.Timeline)
			}
		})
	}
}

// record returns the session's record as it is on disk.
func (b *bench) record() *Record {
	b.t.Helper()
	records, err := Records(b.store)
	if err != nil || len(records) != 1 {
		b.t.Fatalf("%d records, error %v", len(records), err)
	}
	return records[0]
}

func (b *bench) state() State { return b.record().State }

// run makes blocks up to the height, each when everything due before it is done.
func (b *bench) run(height int64) {
	b.t.Helper()
	for next := b.chain.Latest().Height + 1; next <= height; next++ {
		b.rest()
		b.chain.advance(next)
	}
	b.rest()
}

func TestSession_ClaimThatIsNotIncludedIsMissedAndKept(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	chain.drop = func(*relayer.Submission) bool { return true }
	b.sendAll(0, 2)
	b.run(chain.windows(4).ClaimClose + 2)
	record := b.record()
	if record.State != StateMissed {
		t.Fatalf("the session is %s: %+v", record.State, record.Timeline)
	}
	if n, err := b.store.Count(record.Key()); err != nil || n != 2 {
		t.Errorf("%d leaves are left, error %v", n, err)
	}
	if len(record.ClaimAttempts) == 0 {
		t.Error("the attempts are forgotten")
	}
}

func TestSession_ClaimIsMadeAgainAfterARefusal(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	refusals := 1
	chain.refuse = func(*relayer.Submission) error {
		if refusals--; refusals >= 0 {
			return errors.New("the node has a bad day")
		}
		return nil
	}
	b.sendAll(0, 2)
	b.run(chain.windows(4).ProofClose)
	if record := b.record(); record.State != StateSettled {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
}

func TestSession_ClaimWithAnotherRootIsAConflictAndNotProven(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 2)
	w := chain.windows(4)
	foreign := make([]byte, 48)
	foreign[0] = 1
	chain.mu.Lock()
	chain.claims[claimKey(header().SessionId, testSupplier)] = newClaim(header(), testSupplier, foreign)
	chain.mu.Unlock()
	b.run(w.ProofClose)
	if record := b.record(); record.State != StateConflict {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
	if n := chain.count("proof/") + chain.count("claim/"); n != 0 {
		t.Errorf("%d messages were submitted", n)
	}
}

func TestSession_ClaimOfAnotherReplicaWithOurRootIsTakenOver(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 2)
	w := chain.windows(4)
	chain.setClaimsDown(errors.New("node is down"))
	b.run(w.ClaimOpen)
	root, err := b.record().RootBytes()
	if err != nil {
		t.Fatal(err)
	}
	chain.mu.Lock()
	chain.claims[claimKey(header().SessionId, testSupplier)] = newClaim(header(), testSupplier, root)
	chain.mu.Unlock()
	chain.setClaimsDown(nil)
	b.run(w.ProofClose)
	if record := b.record(); record.State != StateSettled {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
	if n := chain.count("claim/"); n != 0 {
		t.Errorf("%d claims were submitted", n)
	}
}

func TestSession_ProofThatIsNotIncludedExpires(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	chain.drop = func(s *relayer.Submission) bool { return s.Mandatory }
	b.sendAll(0, 2)
	b.run(chain.windows(4).ProofClose + 2)
	if record := b.record(); record.State != StateExpired || record.Timeline[len(record.Timeline)-1].Reason != "PROOF_MISSING" {
		t.Errorf("the session is %s: %+v", record.State, record.Timeline)
	}
}

func TestSession_NodeThatIsDownForAWindowLosesNothingBeforeIt(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 2)
	w := chain.windows(4)
	chain.setClaimsDown(errors.New("node is down"))
	b.run(w.ClaimClose - 1)
	chain.setClaimsDown(nil)
	b.run(w.ClaimClose - 1)
	if state := b.state(); state != StateSealed {
		t.Fatalf("the session is %s while nobody can be asked", state)
	}
	// The window's last block is made before the node can be asked again.
	b.run(w.ClaimClose + 2)
	if state := b.state(); state != StateMissed {
		t.Errorf("the session is %s", state)
	}
}

func TestSession_WithLeavesButNoRecordIsTakenUp(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 4)
	key := b.record().Key()
	var leaves []store.Leaf
	for leaf, err := range b.store.Leaves(key) {
		if err != nil {
			t.Fatal(err)
		}
		leaf.Relay = bytes.Clone(leaf.Relay)
		leaves = append(leaves, leaf)
	}
	if err := b.store.DeleteSession(key); err != nil {
		t.Fatal(err)
	}
	for _, leaf := range leaves {
		if err := b.store.Append(key, leaf, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
	b.restart()
	b.run(chain.windows(4).ProofClose)
	if record := b.record(); record.State != StateSettled || record.Relays != 4 {
		t.Errorf("the session is %s with %d relays: %+v", record.State, record.Relays, record.Timeline)
	}
}
