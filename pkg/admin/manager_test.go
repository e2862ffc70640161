package admin

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cosmossdk.io/depinject"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// mute is a chain that has stopped at a block and does not tell its parameters.
type mute struct {
	relayer.BlockQuerier // nil, as those below: no step gets as far
	relayer.ServiceQuerier
	relayer.ProofQuerier
	relayer.TxSubmitter

	blocks *observable.Replay[*relayer.Block]
	latest *relayer.Block
	asked  atomic.Int64
}

func (c *mute) Blocks() relayer.BlocksObservable { return c.blocks }
func (c *mute) Latest() *relayer.Block           { return c.latest }

func (c *mute) SharedParams(context.Context) (*sharedtypes.Params, error) {
	return nil, errors.New("the chain does not tell")
}

func (c *mute) SharedParamsAt(ctx context.Context, _ int64) (*sharedtypes.Params, error) {
	c.asked.Add(1)
	return c.SharedParams(ctx)
}

func (c *mute) VerifyEvidence(context.Context, *servicetypes.Relay) error { return nil }

// manage starts a sessions manager with one session that has ended.
func manage(t *testing.T, chain *mute) relayer.RelayerSessionsManager {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	header := &sessiontypes.SessionHeader{
		ApplicationAddress: "pokt1app", ServiceId: "anvil", SessionId: "ended",
		SessionStartBlockHeight: 1, SessionEndBlockHeight: 4,
	}
	if _, err := session.NewSessionTree(st, header, "pokt1supplier", 1); err != nil {
		t.Fatal(err)
	}
	manager, err := session.NewRelayerSessionsManager(depinject.Supply(st, chain, &relayer.Receipts{}, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	mined := observable.NewSource[*relayer.MinedRelay]()
	manager.InsertRelays(mined)
	manager.Start(t.Context())
	t.Cleanup(func() {
		mined.Close()
		manager.Stop()
		chain.blocks.Close()
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return manager
}

func TestController_CommandsReachASessionsManager(t *testing.T) {
	chain := &mute{blocks: observable.NewReplay[*relayer.Block](1), latest: &relayer.Block{Height: 5}}
	manager := manage(t, chain)
	controller, ok := manager.(Controller)
	reporter, reports := manager.(session.QueueReporter)
	if !ok || !reports {
		t.Fatalf("a %T cannot be controlled", manager)
	}
	_, client := serve(t, &fake{}, WithController(controller))
	remote := client.Controller(t.Context())

	if err := remote.Pause("fees & more"); err != nil {
		t.Fatal(err)
	}
	if paused := reporter.QueueStatus().Paused; len(paused) != 1 || !strings.Contains(paused[0], "fees & more") {
		t.Errorf("paused: %q", paused)
	}
	if err := remote.Resume(); err != nil {
		t.Fatal(err)
	}
	if paused := reporter.QueueStatus().Paused; len(paused) != 0 {
		t.Errorf("paused after the resumption: %q", paused)
	}

	if err := chain.blocks.Publish(t.Context(), chain.latest); err != nil {
		t.Fatal(err)
	}
	putOff := func(times int64) func() bool {
		return func() bool {
			status := reporter.QueueStatus()
			return chain.asked.Load() == times && status.Length == 1 && status.InWork == 0
		}
	}
	eventually(t, "the session waits for the next block", putOff(1))
	if err := remote.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its step is taken again without one", putOff(2))
}

// eventually waits for a condition that nothing signals.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !condition(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not come about that %s", what)
		}
	}
}
