package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"cosmossdk.io/depinject"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// A network with sessions of ten blocks, from 1, 11, 21 and so on.
const (
	sessionBlocks = 10
	relayService  = "svc"
)

// member is an account with a key.
type member struct{ key *secp256k1.PrivKey }

func newMember(name string) member {
	return member{secp256k1.GenPrivKeyFromSecret([]byte(name))}
}

func (m member) address() string { return cosmostypes.AccAddress(m.key.PubKey().Address()).String() }

// Signer makes the member the only one whose key is held.
func (m member) Signer(address string) (cryptotypes.PrivKey, bool) {
	return m.key, address == m.address()
}

// testBlocks is a relayer.BlockSource.
type testBlocks struct {
	*observable.Replay[*relayer.Block]
	latest atomic.Pointer[relayer.Block]
}

func (b *testBlocks) Blocks() relayer.BlocksObservable { return b.Replay }
func (b *testBlocks) Latest() *relayer.Block           { return b.latest.Load() }

// sessionWorld is a network whose applications have sessions with one supplier.
type sessionWorld struct {
	*fakeNode
	node     *Node
	queries  *Queries
	blocks   *testBlocks
	relays   *auth.Authenticator
	supplier member
	members  map[string]member // by address
	asking   atomic.Int64      // questions about sessions in flight
	crowd    atomic.Int64      // the most that there were
	hold     chan struct{}     // questions about sessions wait for its end, unless nil
}

func newSessionWorld(t *testing.T, applications ...string) *sessionWorld {
	t.Helper()
	w := &sessionWorld{supplier: newMember("supplier"), members: make(map[string]member)}
	for _, name := range applications {
		w.members[newMember(name).address()] = newMember(name)
	}
	w.fakeNode, w.node = newFakeNode(t)
	w.queries = NewQueries(w.node)
	w.blocks = &testBlocks{Replay: observable.NewReplay[*relayer.Block](1)}
	t.Cleanup(w.blocks.Close)
	w.node.followed.Add(1) // by blocks
	w.requests = w.answer
	var err error
	w.relays, err = auth.NewAuthenticator(depinject.Configs(
		depinject.Supply(w.queries, w.blocks, w.supplier, ring.Reference{})))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// answer is the chain's answer to a question.
func (w *sessionWorld) answer(request any) (any, error) {
	params := sharedtypes.DefaultParams()
	params.NumBlocksPerSession = sessionBlocks
	switch r := request.(type) {
	case *sharedtypes.QueryParamsRequest:
		return &sharedtypes.QueryParamsResponse{Params: params}, nil
	case *sharedtypes.QueryParamsAtHeightRequest:
		return &sharedtypes.QueryParamsAtHeightResponse{Params: params}, nil
	case *sessiontypes.QueryGetSessionRequest:
		asking := w.asking.Add(1)
		defer w.asking.Add(-1)
		for most := w.crowd.Load(); asking > most && !w.crowd.CompareAndSwap(most, asking); {
			most = w.crowd.Load()
		}
		if w.hold != nil {
			<-w.hold
		}
		return &sessiontypes.QueryGetSessionResponse{Session: w.session(r.ApplicationAddress, r.BlockHeight)}, nil
	case *apptypes.QueryGetApplicationRequest:
		return &apptypes.QueryGetApplicationResponse{Application: apptypes.Application{Address: r.Address}}, nil
	case *authtypes.QueryAccountRequest:
		key, err := codectypes.NewAnyWithValue(w.members[r.Address].key.PubKey())
		if err != nil {
			return nil, err
		}
		account, err := codectypes.NewAnyWithValue(&authtypes.BaseAccount{Address: r.Address, PubKey: key})
		return &authtypes.QueryAccountResponse{Account: account}, err
	case *servicetypes.QueryComputeUnitsPerRelayAtHeightRequest:
		return &servicetypes.QueryComputeUnitsPerRelayAtHeightResponse{ComputeUnitsPerRelay: 1}, nil
	case *servicetypes.QueryGetRelayMiningDifficultyAtHeightRequest:
		return &servicetypes.QueryGetRelayMiningDifficultyAtHeightResponse{
			RelayMiningDifficulty: servicetypes.RelayMiningDifficulty{TargetHash: baseTarget()},
		}, nil
	}
	return nil, status.Errorf(codes.Unimplemented, "%T", request)
}

// session is the application's session from a height.
func (w *sessionWorld) session(application string, start int64) *sessiontypes.Session {
	header := &sessiontypes.SessionHeader{
		ApplicationAddress: application, ServiceId: relayService, SessionId: fmt.Sprintf("%s-%d", application, start),
		SessionStartBlockHeight: start, SessionEndBlockHeight: start + sessionBlocks - 1,
	}
	return &sessiontypes.Session{
		Header: header, SessionId: header.SessionId,
		Suppliers: []*sharedtypes.Supplier{{OperatorAddress: w.supplier.address()}},
	}
}

// commit makes the chain have a block.
func (w *sessionWorld) commit(t *testing.T, height int64) {
	t.Helper()
	w.at(height)
	w.node.note(height)
	block := &relayer.Block{Height: height}
	w.blocks.latest.Store(block)
	if err := w.blocks.Publish(testContext(t), block); err != nil {
		t.Fatal(err)
	}
}

// prefetcher starts one for the relays, and for other preparers.
func (w *sessionWorld) prefetcher(t *testing.T, others ...SessionPreparer) *Prefetcher {
	t.Helper()
	p, err := NewPrefetcher(depinject.Supply(w.queries, w.blocks, slog.New(slog.DiscardHandler)), PrefetchOptions{
		Services: []string{relayService}, Served: w.relays.Served, Pause: 1,
		Preparers: append([]SessionPreparer{w.relays}, others...),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// relay does what a relay waits for before the service is asked, and returns how
// many questions that took.
func (w *sessionWorld) relay(t *testing.T, application string, start int64) int {
	t.Helper()
	asked := w.questions()
	ctx := testContext(t)
	if err := w.relays.VerifyRelayRequest(ctx, w.request(t, application, start), relayService); err != nil {
		t.Fatal(err)
	}
	if _, err := w.queries.ComputeUnitsPerRelayAt(ctx, relayService, start); err != nil {
		t.Fatal(err)
	}
	if _, err := w.queries.DifficultyTargetAt(ctx, relayService, start); err != nil {
		t.Fatal(err)
	}
	return w.questions() - asked
}

// request returns an application's request in its session from a height.
func (w *sessionWorld) request(t *testing.T, application string, start int64) *servicetypes.RelayRequest {
	t.Helper()
	app := newMember(application)
	request := &servicetypes.RelayRequest{Meta: servicetypes.RelayRequestMetadata{
		SessionHeader: w.session(app.address(), start).Header, SupplierOperatorAddress: w.supplier.address(),
	}}
	signer, err := ring.NewSigner(app.key.Key, [][]byte{app.key.PubKey().Bytes(), app.key.PubKey().Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	message, err := request.GetSignableBytesHash()
	if err != nil {
		t.Fatal(err)
	}
	if request.Meta.Signature, err = signer.Sign(message); err != nil {
		t.Fatal(err)
	}
	return request
}

// questions returns how many gRPC calls were made in all.
func (w *sessionWorld) questions() int {
	n := 0
	w.set(func(f *fakeNode) {
		for method, calls := range f.calls {
			if strings.HasPrefix(method, "/") {
				n += calls
			}
		}
	})
	return n
}

func TestPrefetcher_RelayOfAnApplicationSeenBeforeWaitsForNoQuestionInTheNextSession(t *testing.T) {
	w := newSessionWorld(t, "first", "second", "late")
	p := w.prefetcher(t)
	w.commit(t, 15)
	if n := w.relay(t, "first", 11); n == 0 {
		t.Fatal("nothing is asked in the first session: the test measures nothing")
	}
	w.relay(t, "second", 11)
	w.commit(t, 21)
	until(t, func() bool { return p.prepared.Load() == 21 })
	for _, relay := range []struct {
		application string
		start       int64
	}{{"first", 21}, {"second", 21}, {"first", 11}} { // the last in its grace period
		if n := w.relay(t, relay.application, relay.start); n != 0 {
			t.Errorf("relay of %s in the session from %d waited for %d questions", relay.application, relay.start, n)
		}
	}
	// Its session, its record and its key; what concerns all is there.
	if n := w.relay(t, "late", 21); n != 3 {
		t.Errorf("an application that was not seen before takes %d questions", n)
	}
}

// A relay that waited for nothing counts as one, though it has asked for nothing.
func TestPrefetcher_ApplicationInUseIsPreparedForInEachSession(t *testing.T) {
	w := newSessionWorld(t, "app")
	p := w.prefetcher(t)
	w.commit(t, 15)
	w.relay(t, "app", 11)
	for start := int64(21); start <= 11+3*idleSessions*sessionBlocks; start += sessionBlocks {
		w.commit(t, start)
		until(t, func() bool { return p.prepared.Load() == start })
		if n := w.relay(t, "app", start); n != 0 {
			t.Errorf("relay in the session from %d waited for %d questions", start, n)
		}
	}
}

func TestPrefetcher_FewApplicationsAreAskedAboutAtOnce(t *testing.T) {
	const applications = 4 * prefetchWorkers
	var names []string
	for i := range applications {
		names = append(names, fmt.Sprintf("app%d", i))
	}
	w := newSessionWorld(t, names...)
	w.commit(t, 15)
	for _, name := range names {
		w.relay(t, name, 11)
	}
	w.hold = make(chan struct{})
	w.crowd.Store(0)
	p := w.prefetcher(t)
	w.commit(t, 21)
	until(t, func() bool { return w.asking.Load() >= prefetchWorkers })
	close(w.hold)
	until(t, func() bool { return p.prepared.Load() == 21 })
	if n := w.crowd.Load(); n != prefetchWorkers {
		t.Errorf("%d questions were asked at once", n)
	}
	if n := w.count(methodSession); n != 2*applications {
		t.Errorf("sessions were asked for %d times, want one for each application and session", n)
	}
}

func TestPrefetcher_ApplicationsThatAreNotServedAnyMoreAreForgotten(t *testing.T) {
	w := newSessionWorld(t, "app")
	p := w.prefetcher(t)
	w.commit(t, 15)
	w.relay(t, "app", 11)
	last := int64(11 + idleSessions*sessionBlocks)
	for start := int64(21); start <= last; start += sessionBlocks {
		asked := w.count(methodSession)
		w.commit(t, start)
		until(t, func() bool { return p.prepared.Load() == start })
		if n := w.count(methodSession); n != asked+1 {
			t.Errorf("at %d sessions were asked for %d times", start, n-asked)
		}
	}
	asked := w.count(methodSession)
	w.commit(t, last+sessionBlocks)
	until(t, func() bool { return p.prepared.Load() == last+sessionBlocks })
	if n := w.count(methodSession); n != asked {
		t.Errorf("sessions were asked for %d times more", n-asked)
	}
}

func TestPrefetcher_SessionsOfOtherSuppliersAreLeftAlone(t *testing.T) {
	w := newSessionWorld(t, "app")
	w.commit(t, 15)
	request := w.request(t, "app", 11)
	ours := w.supplier
	w.supplier = newMember("another supplier")
	if err := w.relays.VerifyRelayRequest(testContext(t), request, relayService); !errors.Is(err, relayer.ErrSupplierNotInSession) {
		t.Fatalf("a relay in a session of others: %v", err)
	}
	w.supplier = ours
	p := w.prefetcher(t)
	w.commit(t, 21)
	until(t, func() bool { return p.prepared.Load() == 21 })
	if n := w.count(methodSession); n != 1 {
		t.Errorf("sessions were asked for %d times", n)
	}
}

func TestPrefetcher_ApplicationThatIsInNoSessionOfOursIsKnownToBe(t *testing.T) {
	w := newSessionWorld(t, "app")
	w.commit(t, 15)
	w.relay(t, "app", 11)
	request := w.request(t, "app", 21)
	w.supplier = newMember("another supplier")
	p := w.prefetcher(t)
	w.commit(t, 21)
	until(t, func() bool { return p.prepared.Load() == 21 })
	asked := w.questions()
	if err := w.relays.VerifyRelayRequest(testContext(t), request, relayService); !errors.Is(err, relayer.ErrSupplierNotInSession) {
		t.Errorf("a relay in a session of others: %v", err)
	}
	if n := w.questions() - asked; n != 0 {
		t.Errorf("it took %d questions", n)
	}
}

// balky is a preparer that fails for an application as often as it is told to.
type balky struct {
	application string
	failures    atomic.Int64
	done        atomic.Int64 // sessions that were prepared
}

func (b *balky) Prepare(_ context.Context, session *sessiontypes.Session) error {
	if session.Header.ApplicationAddress == b.application && b.failures.Add(-1) >= 0 {
		return relayer.ErrInternal.Wrapf("node is down")
	}
	b.done.Add(1)
	return nil
}

func TestPrefetcher_FailureHoldsUpNoOtherAndIsTriedAgainWithTheNextBlock(t *testing.T) {
	w := newSessionWorld(t, "first", "second", "third")
	w.commit(t, 15)
	for _, name := range []string{"first", "second", "third"} {
		w.relay(t, name, 11)
	}
	other := &balky{application: newMember("third").address()} // was used last, so is prepared first
	other.failures.Store(maxAttempts)
	p := w.prefetcher(t, other)
	w.commit(t, 21)
	until(t, func() bool { return other.done.Load() == 2 })
	until(t, func() bool { return other.failures.Load() == 0 })
	if n := p.prepared.Load(); n == 21 {
		t.Error("the session counts as prepared")
	}
	w.commit(t, 22)
	until(t, func() bool { return p.prepared.Load() == 21 })
	if n := other.done.Load(); n != 3 {
		t.Errorf("%d sessions were prepared, each once, want 3", n)
	}
}

func TestPrefetcher_TriesAgainWhenTheStateIsBehindTheBlock(t *testing.T) {
	w := newSessionWorld(t, "app")
	w.commit(t, 15)
	w.relay(t, "app", 11)
	late := atomic.Bool{}
	w.set(func(f *fakeNode) {
		f.requests = func(request any) (any, error) {
			if r, ok := request.(*sessiontypes.QueryGetSessionRequest); ok && r.BlockHeight == 21 && !late.Swap(true) {
				w.at(21)
				return nil, status.Error(codes.Internal, "block height 21 is ahead of the last committed one")
			}
			return w.answer(request)
		}
	})
	w.commit(t, 21)
	w.at(20) // what answers is not there yet
	p := w.prefetcher(t)
	until(t, func() bool { return p.prepared.Load() == 21 })
	asked := w.count(methodSession)
	w.relay(t, "app", 21)
	if n := w.count(methodSession); asked != 3 || n != asked {
		t.Errorf("the session was asked for %d times, and %d times with the relay", asked, n)
	}
}
