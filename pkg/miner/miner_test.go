package miner_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmossdk.io/depinject"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"
	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/miner"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/golden"
)

// A library below the chain's types starts a goroutine when it is loaded.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// patience bounds waits for what must happen. It is never waited out when a
// test passes.
const patience = 20 * time.Second

var errUnreachable = errors.New("connection refused")

// services is a chain with one price and one difficulty.
type services struct {
	target    []byte
	units     uint64
	targetErr error
	unitsErr  error

	mu    sync.Mutex
	asked []question
}

type question struct {
	service string
	height  int64
}

func (s *services) ask(ctx context.Context, service string, height int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, question{service, height})
	return ctx.Err()
}

func (s *services) DifficultyTargetAt(ctx context.Context, service string, height int64) ([]byte, error) {
	if err := s.ask(ctx, service, height); err != nil {
		return nil, err
	}
	if s.target == nil && s.targetErr == nil {
		panic("a fault in the querier")
	}
	return s.target, s.targetErr
}

func (s *services) ComputeUnitsPerRelayAt(ctx context.Context, service string, height int64) (uint64, error) {
	if err := s.ask(ctx, service, height); err != nil {
		return 0, err
	}
	return s.units, s.unitsErr
}

// baseTarget is the target of a service without a difficulty.
func baseTarget() []byte { return bytes.Repeat([]byte{0xff}, 32) }

// line is a running pipeline from served to mined relays.
type line struct {
	receipts *relayer.Receipts
	served   *observable.Source[*servicetypes.Relay]
	log      *bytes.Buffer // read it after finish

	mined []*relayer.MinedRelay
	done  <-chan struct{}
}

func start(ctx context.Context, t *testing.T, chain *services) *line {
	t.Helper()
	l := &line{
		receipts: &relayer.Receipts{},
		served:   observable.NewSource[*servicetypes.Relay](),
		log:      &bytes.Buffer{},
	}
	m, err := miner.NewMiner(depinject.Supply(chain, l.receipts, slog.New(slog.NewTextHandler(l.log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	l.done = observable.ForEach(m.MinedRelays(ctx, l.served), func(_ context.Context, mined *relayer.MinedRelay) error {
		l.mined = append(l.mined, mined)
		return nil
	})
	return l
}

// serve publishes the relay and returns its receipt.
func (l *line) serve(t *testing.T, relay *servicetypes.Relay) *relayer.Receipt {
	t.Helper()
	receipt := l.receipts.Expect(relay)
	if err := l.served.Publish(t.Context(), relay); err != nil {
		t.Fatal(err)
	}
	return receipt
}

// finish closes the source, waits until the pipeline has completed, and returns
// what was mined.
func (l *line) finish(t *testing.T) []*relayer.MinedRelay {
	t.Helper()
	l.served.Close()
	select {
	case <-l.done:
	case <-time.After(patience):
		t.Fatal("the pipeline did not complete")
	}
	return l.mined
}

// outcome returns what became of a relay.
func outcome(t *testing.T, receipt *relayer.Receipt) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the receipt was not resolved"))
	defer cancel()
	return receipt.Wait(ctx)
}

// sessions returns the recorded sessions.
func sessions(tb testing.TB) []*golden.Session {
	tb.Helper()
	all, err := golden.Sessions()
	if err != nil {
		tb.Fatal(err)
	}
	if len(all) == 0 {
		tb.Fatal("there are no recorded sessions")
	}
	return all
}

// aRelay returns a recorded relay.
func aRelay(tb testing.TB) *servicetypes.Relay {
	tb.Helper()
	relay := sessions(tb)[0].Relays[0]
	return &servicetypes.Relay{Req: relay.Request, Res: relay.Response}
}

func TestNewMiner_NamesWhatIsMissing(t *testing.T) {
	chain, receipts, log := &services{}, &relayer.Receipts{}, slog.New(slog.DiscardHandler)
	for missing, deps := range map[string]depinject.Config{
		"ServiceQuerier": depinject.Supply(receipts, log),
		"Receipts":       depinject.Supply(chain, log),
		"Logger":         depinject.Supply(chain, receipts),
	} {
		m, err := miner.NewMiner(deps)
		if err == nil || m != nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: got %v and error %v", missing, m, err)
		}
	}
}

func TestNewMiner_AppliesOptions(t *testing.T) {
	var seen relayer.Miner
	m, err := miner.NewMiner(
		depinject.Supply(&services{}, &relayer.Receipts{}, slog.New(slog.DiscardHandler)),
		func(m relayer.Miner) { seen = m },
	)
	if err != nil || seen == nil || seen != m {
		t.Errorf("option was given %v, the miner is %v, error %v", seen, m, err)
	}
}

// The trie of what is mined has the root that the chain was shown and has paid for.
func TestMinedRelays_HaveTheRootOfRecordedClaims(t *testing.T) {
	for _, s := range sessions(t) {
		t.Run(s.Name, func(t *testing.T) {
			chain := &services{target: baseTarget(), units: s.ComputeUnitsPerRelay}
			l := start(t.Context(), t, chain)
			var relays []*servicetypes.Relay
			for _, recorded := range s.Relays {
				relay := &servicetypes.Relay{Req: recorded.Request, Res: recorded.Response}
				relays = append(relays, relay)
				l.serve(t, relay)
			}
			trie := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
			for i, mined := range l.finish(t) {
				if mined.Served != relays[i] {
					t.Errorf("relay %d is not in its place", i)
				}
				// The trie appends to the value it is given.
				if err := trie.Update(mined.Hash, slices.Clip(slices.Clone(mined.Bytes)), mined.ComputeUnits); err != nil {
					t.Fatal(err)
				}
			}
			if root := trie.Root(); !bytes.Equal(root, s.ClaimRoot) {
				t.Errorf("root is %x, claimed was %x", root, s.ClaimRoot)
			}
			if pending := l.receipts.Pending(); pending != len(relays) {
				t.Errorf("%d receipts of %d are left to the sessions manager", pending, len(relays))
			}
		})
	}
}

func TestMinedRelays_KeepsWhatIsBelowTheTargetAndReleasesTheRest(t *testing.T) {
	for _, c := range []struct {
		name       string
		fromTarget int64 // target - hash
		mined      bool
	}{
		{"target one above the hash", 1, true},
		{"target is the hash", 0, false},
		{"target one below the hash", -1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			relay := aRelay(t)
			l := start(t.Context(), t, &services{target: plus(hashOf(t, relay), c.fromTarget), units: 7})
			receipt := l.serve(t, relay)
			if !c.mined {
				if err := outcome(t, receipt); err != nil {
					t.Errorf("refused: %v", err)
				}
			}
			mined := l.finish(t)
			if (len(mined) == 1) != c.mined {
				t.Fatalf("%d mined relays", len(mined))
			}
			if c.mined && (mined[0].ComputeUnits != 7 || l.receipts.Pending() != 1) {
				t.Errorf("weight %d, %d receipts pending", mined[0].ComputeUnits, l.receipts.Pending())
			}
			if l.log.Len() > 0 {
				t.Errorf("logged: %s", l.log)
			}
		})
	}
}

func TestMinedRelays_PriceAndDifficultyAreThoseOfTheSessionsStart(t *testing.T) {
	chain := &services{target: baseTarget(), units: 1}
	l := start(t.Context(), t, chain)
	relay := aRelay(t)
	l.serve(t, relay)
	l.finish(t)
	header := relay.Req.Meta.SessionHeader
	want := question{header.ServiceId, header.SessionStartBlockHeight}
	if !slices.Equal(chain.asked, []question{want, want}) {
		t.Errorf("asked for %v, want %v twice", chain.asked, want)
	}
}

// A relay that cannot be judged is refused, never dropped in silence.
func TestMinedRelays_RefusesWhatCannotBeJudged(t *testing.T) {
	panicked := errors.New("any")
	for _, c := range []struct {
		name  string
		chain *services
		spoil func(*servicetypes.Relay)
		want  error
	}{
		{"difficulty unknown", &services{targetErr: errUnreachable}, nil, errUnreachable},
		{"price unknown", &services{target: baseTarget(), unitsErr: errUnreachable}, nil, errUnreachable},
		{"querier panics", &services{}, nil, panicked},
		{"relay without response", &services{target: baseTarget()}, func(r *servicetypes.Relay) { r.Res = nil }, relayer.ErrInvalidRequest},
		{"relay without request", &services{target: baseTarget()}, func(r *servicetypes.Relay) { r.Req = nil }, relayer.ErrInvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t.Context(), t, c.chain)
			relay := aRelay(t)
			if c.spoil != nil {
				c.spoil(relay)
			}
			err := outcome(t, l.serve(t, relay))
			if !errors.Is(err, relayer.ErrStoreRelay) {
				t.Errorf("got %v, want ErrStoreRelay", err)
			}
			if c.want != panicked && !errors.Is(err, c.want) {
				t.Errorf("%v does not wrap %v", err, c.want)
			}
			if mined := l.finish(t); len(mined) != 0 {
				t.Errorf("%d relays were mined", len(mined))
			}
			if !strings.Contains(l.log.String(), "relay could not be mined") {
				t.Errorf("log is %q", l.log)
			}
			if c.spoil == nil && !strings.Contains(l.log.String(), relay.Req.Meta.SessionHeader.SessionId) {
				t.Errorf("the log does not name the session: %s", l.log)
			}
			if pending := l.receipts.Pending(); pending != 0 {
				t.Errorf("%d receipts are pending", pending)
			}
		})
	}
}

func TestMinedRelays_GoesOnAfterARelayThatCannotBeMined(t *testing.T) {
	l := start(t.Context(), t, &services{target: baseTarget(), units: 1})
	refused := l.serve(t, &servicetypes.Relay{})
	good := aRelay(t)
	l.serve(t, good)
	if err := outcome(t, refused); err == nil {
		t.Error("an empty relay was accepted")
	}
	if mined := l.finish(t); len(mined) != 1 || mined[0].Served != good {
		t.Errorf("mined %v", mined)
	}
}

// Cancelling the context makes lookups fail; it does not make relays disappear.
func TestMinedRelays_CancellationRefusesRelaysAndEndsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := start(ctx, t, &services{target: baseTarget(), units: 1})
	cancel()
	if err := outcome(t, l.serve(t, aRelay(t))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if mined := l.finish(t); len(mined) != 0 {
		t.Errorf("%d relays were mined", len(mined))
	}
}

func TestMinedRelays_HandsOverEverythingThatWasPublishedBeforeTheEnd(t *testing.T) {
	const n = 3000 // more than all buffers hold
	l := start(t.Context(), t, &services{target: baseTarget(), units: 1})
	relay := aRelay(t)
	for range n {
		l.serve(t, &servicetypes.Relay{Req: relay.Req, Res: relay.Res})
	}
	if mined := l.finish(t); len(mined) != n {
		t.Errorf("%d of %d relays were mined", len(mined), n)
	}
}
