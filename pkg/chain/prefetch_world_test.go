package chain

import (
	"context"
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
