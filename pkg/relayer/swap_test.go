package relayer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"cosmossdk.io/depinject"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"go.uber.org/mock/gomock"

	"github.com/seed52205347/relayminer/pkg/miner"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/golden"
	"github.com/seed52205347/relayminer/testutil/mockrelayer"
)

// Each component is swapped by supplying another value for its interface. The
// tests below show it for one component each, among real ones.

// patience bounds waits for what must happen. It is never waited out when a
// test passes.
const patience = 20 * time.Second

var errUnreachable = errors.New("connection refused")

// recordedRelay returns a relay that went over the wire.
func recordedRelay(t *testing.T) *servicetypes.Relay {
	t.Helper()
	sessions, err := golden.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	relay := sessions[0].Relays[0]
	return &servicetypes.Relay{Req: relay.Request, Res: relay.Response}
}

// gathering is a sessions manager that keeps what it is given, and says that it
// is safe. Its Stop waits for the stream, as the contract has it.
type gathering struct {
	receipts *relayer.Receipts
	relays   []*relayer.MinedRelay
	done     <-chan struct{}
}

func (g *gathering) InsertRelays(mined relayer.MinedRelaysObservable) {
	g.done = observable.ForEach(mined, func(_ context.Context, m *relayer.MinedRelay) error {
		g.relays = append(g.relays, m)
		g.receipts.Resolve(m.Served, nil)
		return nil
	})
}
func (g *gathering) Start(context.Context) {}
func (g *gathering) Stop()                 { <-g.done }

// takeThrough publishes the relay, waits for its receipt and stops the relay
// miner. It returns what was inserted.
func takeThrough(
	t *testing.T,
	rm relayMiner,
	served *observable.Source[*servicetypes.Relay],
	sessions *gathering,
	relay *servicetypes.Relay,
) []*relayer.MinedRelay {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := rm.Start(ctx); err != nil {
		t.Fatal(err)
	}
	receipt := sessions.receipts.Expect(relay)
	if err := served.Publish(ctx, relay); err != nil {
		t.Fatal(err)
	}
	if err := receipt.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := rm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	return sessions.relays
}

// mockProxy returns a proxy whose served relays are what the test publishes.
func mockProxy(t *testing.T) (*mockrelayer.MockRelayerProxy, *observable.Source[*servicetypes.Relay]) {
	served := observable.NewSource[*servicetypes.Relay]()
	proxy := mockrelayer.NewMockRelayerProxy(gomock.NewController(t))
	proxy.EXPECT().ServedRelays().Return(served)
	proxy.EXPECT().Start(gomock.Any()).Return(nil)
	proxy.EXPECT().Stop(gomock.Any()).DoAndReturn(func(context.Context) error {
		served.Close()
		return nil
	})
	return proxy, served
}

func TestSwap_MockProxyBeforeTheRealMiner(t *testing.T) {
	receipts := &relayer.Receipts{}
	services := mockrelayer.NewMockServiceQuerier(gomock.NewController(t))
	services.EXPECT().DifficultyTargetAt(gomock.Any(), gomock.Any(), gomock.Any()).
		Return(bytes.Repeat([]byte{0xff}, 32), nil).AnyTimes()
	services.EXPECT().ComputeUnitsPerRelayAt(gomock.Any(), gomock.Any(), gomock.Any()).Return(uint64(42), nil).AnyTimes()
	realMiner, err := miner.NewMiner(depinject.Supply(services, receipts, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	proxy, served := mockProxy(t)
	sessions := &gathering{receipts: receipts}
	rm := newRelayMiner(t, depinject.Supply(proxy, realMiner, sessions))

	relay := recordedRelay(t)
	inserted := takeThrough(t, rm, served, sessions, relay)
	if len(inserted) != 1 || inserted[0].Served != relay || inserted[0].ComputeUnits != 42 {
		t.Errorf("inserted %v", inserted)
	}
	if pending := receipts.Pending(); pending != 0 {
		t.Errorf("%d receipts are pending", pending)
	}
}

func TestSwap_MockMinerBetweenProxyAndSessions(t *testing.T) {
	mock := mockrelayer.NewMockMiner(gomock.NewController(t))
	mock.EXPECT().MinedRelays(gomock.Any(), gomock.Any()).DoAndReturn(
		func(_ context.Context, served relayer.RelaysObservable) relayer.MinedRelaysObservable {
			return observable.Map(served, func(_ context.Context, relay *servicetypes.Relay) (*relayer.MinedRelay, error) {
				return &relayer.MinedRelay{Served: relay, Hash: []byte("of the mock")}, nil
			})
		})
	proxy, served := mockProxy(t)
	sessions := &gathering{receipts: &relayer.Receipts{}}
	rm := newRelayMiner(t, depinject.Supply(proxy, mock, sessions))

	inserted := takeThrough(t, rm, served, sessions, recordedRelay(t))
	if len(inserted) != 1 || string(inserted[0].Hash) != "of the mock" {
		t.Errorf("inserted %v", inserted)
	}
}

// oneKey holds the key of one supplier.
type oneKey struct {
	address string
	key     cryptotypes.PrivKey
}

func (k oneKey) Signer(address string) (cryptotypes.PrivKey, bool) {
	return k.key, address == k.address
}

// fakeBlocks is a source of blocks in the hands of a test.
type fakeBlocks struct{ latest *relayer.Block }

func (*fakeBlocks) Blocks() relayer.BlocksObservable { return nil } // nobody observes
func (b *fakeBlocks) Latest() *relayer.Block         { return b.latest }

// The clock of the real authenticator is whatever block source it is given.
func TestSwap_FakeBlockSourceUnderTheRealAuthenticator(t *testing.T) {
	relay := recordedRelay(t)
	header := relay.Req.Meta.SessionHeader
	key := secp256k1.GenPrivKeyFromSecret([]byte("supplier"))
	relay.Req.Meta.SupplierOperatorAddress = cosmostypes.AccAddress(key.PubKey().Address()).String()

	ctrl := gomock.NewController(t)
	blocks := &fakeBlocks{}
	shared := mockrelayer.NewMockSharedQuerier(ctrl)
	authenticator, err := auth.NewAuthenticator(depinject.Supply(
		blocks, shared, ring.Reference{}, oneKey{relay.Req.Meta.SupplierOperatorAddress, key},
		mockrelayer.NewMockSessionQuerier(ctrl),
		mockrelayer.NewMockApplicationQuerier(ctrl),
		mockrelayer.NewMockAccountQuerier(ctrl),
	))
	if err != nil {
		t.Fatal(err)
	}
	verify := func() error { return authenticator.VerifyRelayRequest(t.Context(), relay.Req, header.ServiceId) }

	if err := verify(); !errors.Is(err, relayer.ErrInternal) {
		t.Errorf("before the first block: got %v, want ErrInternal", err)
	}
	blocks.latest = &relayer.Block{Height: header.SessionStartBlockHeight - 2}
	if err := verify(); !errors.Is(err, relayer.ErrInvalidSession) {
		t.Errorf("two blocks before the session: got %v, want ErrInvalidSession", err)
	}
	// From its first block on, the session is worth a question.
	blocks.latest = &relayer.Block{Height: header.SessionStartBlockHeight}
	shared.EXPECT().SharedParams(gomock.Any()).Return(nil, errUnreachable)
	if err := verify(); !errors.Is(err, errUnreachable) {
		t.Errorf("at the session's start: got %v, want that of the query", err)
	}
}
