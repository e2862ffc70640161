package relayer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cosmossdk.io/depinject"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"go.uber.org/goleak"
	"go.uber.org/mock/gomock"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/mockrelayer"
)

func TestMain(m *testing.M) {
	cosmostypes.GetConfig().SetBech32PrefixForAccount("pokt", "poktpub")
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// parts are mocks of what a relay miner is made of.
type parts struct {
	proxy    *mockrelayer.MockRelayerProxy
	miner    *mockrelayer.MockMiner
	sessions *mockrelayer.MockRelayerSessionsManager
}

func newParts(t *testing.T) *parts {
	ctrl := gomock.NewController(t)
	return &parts{
		proxy:    mockrelayer.NewMockRelayerProxy(ctrl),
		miner:    mockrelayer.NewMockMiner(ctrl),
		sessions: mockrelayer.NewMockRelayerSessionsManager(ctrl),
	}
}

func (p *parts) deps() depinject.Config { return depinject.Supply(p.proxy, p.miner, p.sessions) }

// wired expects the parts to be joined once, in the order of the data, and
// returns streams that stand for those between them.
func (p *parts) wired() (*observable.Source[*servicetypes.Relay], *observable.Source[*relayer.MinedRelay]) {
	served := observable.NewSource[*servicetypes.Relay]()
	mined := observable.NewSource[*relayer.MinedRelay]()
	gomock.InOrder(
		p.proxy.EXPECT().ServedRelays().Return(served),
		p.miner.EXPECT().MinedRelays(gomock.Any(), served).Return(mined),
		p.sessions.EXPECT().InsertRelays(mined),
	)
	return served, mined
}

// relayMiner is what NewRelayMiner returns.
type relayMiner interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

func newRelayMiner(t *testing.T, deps depinject.Config) relayMiner {
	t.Helper()
	rm, err := relayer.NewRelayMiner(t.Context(), deps)
	if err != nil {
		t.Fatal(err)
	}
	return rm
}

func TestNewRelayMiner_JoinsThePartsAndRunsNothing(t *testing.T) {
	p := newParts(t)
	p.wired() // any call of Start would be unexpected
	newRelayMiner(t, p.deps())
}

func TestNewRelayMiner_BoundsTheMinersWorkByItsContext(t *testing.T) {
	p := newParts(t)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "this one")
	p.proxy.EXPECT().ServedRelays().Return(nil)
	p.miner.EXPECT().MinedRelays(ctx, nil).Return(nil)
	p.sessions.EXPECT().InsertRelays(nil)
	if _, err := relayer.NewRelayMiner(ctx, p.deps()); err != nil {
		t.Error(err)
	}
}

func TestNewRelayMiner_NamesWhatIsMissing(t *testing.T) {
	p := newParts(t)
	for missing, deps := range map[string]depinject.Config{
		"relayer.RelayerProxy":           depinject.Supply(p.miner, p.sessions),
		"relayer.Miner":                  depinject.Supply(p.proxy, p.sessions),
		"relayer.RelayerSessionsManager": depinject.Supply(p.proxy, p.miner),
	} {
		rm, err := relayer.NewRelayMiner(t.Context(), deps)
		if err == nil || rm != nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: got %v and error %v", missing, rm, err)
		}
	}
}

func TestNewRelayMiner_RefusesTwoOfOneKind(t *testing.T) {
	p, second := newParts(t), newParts(t)
	type other struct{ relayer.Miner }
	rm, err := relayer.NewRelayMiner(t.Context(), depinject.Configs(p.deps(), depinject.Supply(other{second.miner})))
	if err == nil || rm != nil || !strings.Contains(err.Error(), "relayer.Miner") {
		t.Errorf("got %v and error %v", rm, err)
	}
}

// A relay must not be served that could not be stored.
func TestRelayMiner_StartsStorageBeforeServing(t *testing.T) {
	p := newParts(t)
	p.wired()
	rm := newRelayMiner(t, p.deps())
	gomock.InOrder(
		p.sessions.EXPECT().Start(t.Context()),
		p.proxy.EXPECT().Start(t.Context()).Return(nil),
	)
	if err := rm.Start(t.Context()); err != nil {
		t.Error(err)
	}
}

// The sessions manager waits for the stream that the proxy completes.
func TestRelayMiner_StopsServingBeforeStorage(t *testing.T) {
	failure := errors.New("relays in flight were cut off")
	for _, want := range []error{nil, failure} {
		p := newParts(t)
		p.wired()
		rm := newRelayMiner(t, p.deps())
		gomock.InOrder(
			p.proxy.EXPECT().Stop(t.Context()).Return(want),
			p.sessions.EXPECT().Stop(),
		)
		if err := rm.Stop(t.Context()); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestRelayMiner_StopsEverythingWhenServingCannotStart(t *testing.T) {
	startErr, stopErr := errors.New("address in use"), errors.New("cannot stop")
	for _, c := range []struct {
		name string
		stop error
	}{
		{"and stops cleanly", nil},
		{"nor stop", stopErr},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParts(t)
			p.wired()
			rm := newRelayMiner(t, p.deps())
			gomock.InOrder(
				p.sessions.EXPECT().Start(gomock.Any()),
				p.proxy.EXPECT().Start(gomock.Any()).Return(startErr),
				p.proxy.EXPECT().Stop(gomock.Any()).Return(c.stop),
				p.sessions.EXPECT().Stop(),
			)
			err := rm.Start(t.Context())
			if !errors.Is(err, startErr) || c.stop != nil && !errors.Is(err, c.stop) {
				t.Errorf("got %v, want %v and %v", err, startErr, c.stop)
			}
		})
	}
}
