package localnet

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
)

// failingApp fails to execute the block of a height.
type failingApp struct {
	abci.Application
	height  int64
	healthy *atomic.Bool // once true it does not fail any more
	fail    func() error
}

func (a failingApp) FinalizeBlock(ctx context.Context, req *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	if req.Height >= a.height && !a.healthy.Load() {
		if err := a.fail(); err != nil {
			return nil, err
		}
	}
	return a.Application.FinalizeBlock(ctx, req)
}

// failingGenesis panics on the genesis, as the chain's modules do.
type failingGenesis struct{ abci.Application }

func (failingGenesis) InitChain(context.Context, *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	panic("bad genesis")
}

func TestWaitForHeight_HaltedChainIsAnErrorWithItsCause(t *testing.T) {
	cause := errors.New("module account is empty")
	for _, test := range []struct {
		name string
		fail func() error
	}{
		{"error in the application", func() error { return cause }},
		{"panic in the application", func() error { panic(cause) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var healthy atomic.Bool
			network, err := Start(ctx, Config{
				Home:      t.TempDir(),
				BlockTime: 50 * time.Millisecond,
				wrapApp: func(application abci.Application) abci.Application {
					return failingApp{Application: application, height: 3, healthy: &healthy, fail: test.fail}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer network.Stop()
			err = network.WaitForHeight(ctx, 3)
			if !errors.Is(err, ErrHalted) || !errors.Is(err, cause) {
				t.Errorf("waiting returned %v, want ErrHalted and the cause", err)
			}
			if err := network.Wait(ctx); !errors.Is(err, ErrHalted) {
				t.Errorf("the network's end is %v, want ErrHalted", err)
			}
			if got := network.Height(); got != 2 {
				t.Errorf("height is %d, want 2", got)
			}
			if err := network.StopNode(); err != nil {
				t.Fatal(err)
			}
			healthy.Store(true)
			if err := network.StartNode(); err != nil {
				t.Fatal(err)
			}
			if err := network.WaitForHeight(ctx, 4); err != nil {
				t.Errorf("the cured chain does not go on: %v", err)
			}
			if err := network.Stop(); err != nil {
				t.Errorf("stop after the halt: %v", err)
			}
		})
	}
}

func TestStart_PanicOnTheGenesisIsAnError(t *testing.T) {
	_, err := Start(t.Context(), Config{
		Home:    t.TempDir(),
		wrapApp: func(application abci.Application) abci.Application { return failingGenesis{application} },
	})
	if err == nil || !strings.Contains(err.Error(), "bad genesis") {
		t.Errorf("got %v, want the panic as an error", err)
	}
}
