package localnet

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/types/mempool"
	"github.com/cosmos/cosmos-sdk/types/module"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	"github.com/pokt-network/poktroll/app"
	"github.com/spf13/viper"
)

// mempoolTxs is the number of transactions that a Pocket node's application
// mempool holds by default.
const mempoolTxs = 100_000

// openApp opens the chain's application on its database. The application panics
// on what it cannot work with; here that is an error.
func openApp(config Config, dbs *databases) (opened *app.App, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("open the application: %w", panicError(r))
		}
	}()
	db, err := dbs.application()
	if err != nil {
		return nil, err
	}
	options := viper.New()
	options.Set(flags.FlagHome, config.Home)
	options.Set(server.FlagMinGasPrices, config.MinGasPrices)
	opened, err = app.New(newNodeLogger(config.Logger), db, nil, true, options,
		baseapp.SetChainID(config.ChainID),
		baseapp.SetMinGasPrices(config.MinGasPrices),
		baseapp.SetMempool(mempool.NewSenderNonceMempool(mempool.SenderNonceMaxTxOpt(mempoolTxs))),
		// Nothing is pruned. Asynchronous pruning would only leave one goroutine
		// per store behind that never ends.
		baseapp.SetIAVLSyncPruning(true),
	)
	if err != nil {
		return nil, fmt.Errorf("open the application: %w", err)
	}
	return opened, nil
}

// checkGenesis lets the chain's modules judge the genesis. The application does
// not do so when it processes one.
func checkGenesis(opened *app.App, doc *genutiltypes.AppGenesis) error {
	var state map[string]json.RawMessage
	if err := json.Unmarshal(doc.AppState, &state); err != nil {
		return configErrorf("Genesis", "%w", err)
	}
	modules := module.NewBasicManagerFromManager(opened.ModuleManager, nil)
	if err := modules.ValidateGenesis(opened.AppCodec(), opened.TxConfig(), state); err != nil {
		return configErrorf("Genesis", "%w", err)
	}
	return nil
}

// guardedApp remembers why the application failed. CometBFT halts when the
// application cannot make a block but tells nobody but its log, and some of the
// application's failures are panics.
type guardedApp struct {
	abci.Application
	logger *slog.Logger

	mu  sync.Mutex
	err error // the first
}

func newGuardedApp(application abci.Application, logger *slog.Logger) *guardedApp {
	return &guardedApp{Application: application, logger: logger}
}

// failure returns the first failure, nil if there was none.
func (g *guardedApp) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *guardedApp) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
}

// InitChain implements abci.Application.
func (g *guardedApp) InitChain(ctx context.Context, req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	return guarded(g, "process the genesis", func() (*abci.ResponseInitChain, error) {
		return g.Application.InitChain(ctx, req)
	})
}

// FinalizeBlock implements abci.Application.
func (g *guardedApp) FinalizeBlock(ctx context.Context, req *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	return guarded(g, fmt.Sprintf("execute block %d", req.Height), func() (*abci.ResponseFinalizeBlock, error) {
		return g.Application.FinalizeBlock(ctx, req)
	})
}

// Commit implements abci.Application.
func (g *guardedApp) Commit(ctx context.Context, req *abci.RequestCommit) (*abci.ResponseCommit, error) {
	return guarded(g, "commit a block", func() (*abci.ResponseCommit, error) {
		return g.Application.Commit(ctx, req)
	})
}

// guarded runs a step of the application and turns a panic in it into an error.
func guarded[T any](g *guardedApp, what string, step func() (T, error)) (result T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicError(r)
			g.logger.Error("application panicked", "step", what, "err", err, "stack", string(debug.Stack()))
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", what, err)
			g.fail(err)
		}
	}()
	return step()
}

// panicError returns a recovered panic as an error.
func panicError(r any) error {
	if err, ok := r.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", r)
}
