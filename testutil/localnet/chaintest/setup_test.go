package chaintest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// patience bounds what a test waits for.
const patience = 90 * time.Second

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start runs a network of many short blocks for the length of the test.
func start(t *testing.T, config localnet.Config) *localnet.Network {
	t.Helper()
	config.Home = t.TempDir()
	if config.BlockTime == 0 {
		config.BlockTime = 100 * time.Millisecond
	}
	network, err := localnet.Start(deadline(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := network.Stop(); err != nil {
			t.Error(err)
		}
	})
	return network
}

// testLog writes to the test until the test is over: what outlives it may still
// have something to say.
type testLog struct {
	mu   sync.Mutex
	t    *testing.T
	done bool
}

func (l *testLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		l.t.Log(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}

func logger(t *testing.T) *slog.Logger {
	t.Helper()
	l := &testLog{t: t}
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.done = true
	})
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func dial(t *testing.T, network *localnet.Network) *chain.Node {
	t.Helper()
	return dialTo(t, chain.Config{
		QueryGRPCURLs: []string{network.GRPCURL},
		QueryRPCURLs:  []string{network.RPCURL},
		ChainID:       network.ChainID,
		Timeout:       2 * time.Second,
	})
}

func dialTo(t *testing.T, config chain.Config) *chain.Node {
	t.Helper()
	config.Logger = logger(t)
	node, err := chain.Dial(deadline(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	return node
}

// follow starts a block driver.
func follow(t *testing.T, node *chain.Node, opts ...chain.BlockDriverOption) *chain.BlockDriver {
	t.Helper()
	driver, err := chain.NewBlockDriver(node, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Start(deadline(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := driver.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return driver
}
