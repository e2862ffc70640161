package e2e

import (
	"context"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// timeout bounds every test: what is waited for takes seconds.
const timeout = 3 * time.Minute

// world is a chain, a relay miner on it and a client.
type world struct {
	t       *testing.T
	ctx     context.Context
	net     *localnet.Network
	node    *chain.Node
	queries *chain.Queries
	miner   *cli.Instance
}

// newWorld starts a chain. The relay miner is started by startMiner.
func newWorld(t *testing.T, config localnet.Config) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	config.Home = t.TempDir()
	net, err := localnet.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Stop(); err != nil {
			t.Errorf("stop chain: %v", err)
		}
	})
	node, err := chain.Dial(ctx, chain.Config{
		QueryGRPCURLs: []string{net.GRPCURL},
		QueryRPCURLs:  []string{net.RPCURL},
		ChainID:       net.ChainID,
		Logger:        slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("close node: %v", err)
		}
	})
	return &world{t: t, ctx: ctx, net: net, node: node, queries: chain.NewQueries(node)}
}

// options are those of the relay miner that `localnet start` names.
func (w *world) options() cli.Options {
	return cli.Options{
		ConfigPath:     w.net.ConfigPath,
		Home:           filepath.Join(w.net.Home, "relayminer"),
		KeyringBackend: "test",
		KeyringDir:     w.net.KeyringDir,
		ChainID:        w.net.ChainID,
		Log:            slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	}
}

// startMiner starts the relay miner, and stops it at the end of the test unless
// stopMiner has done so.
func (w *world) startMiner() {
	w.t.Helper()
	miner, err := cli.New(w.ctx, w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	w.miner = miner
	w.t.Cleanup(w.stopMiner)
	if err := miner.Start(w.ctx); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stopMiner() {
	w.t.Helper()
	if w.miner == nil {
		return
	}
	if err := w.miner.Stop(context.WithoutCancel(w.ctx)); err != nil {
		w.t.Errorf("stop relay miner: %v", err)
	}
	w.miner = nil
}

// freshSession waits for the first block of a session, so that a test has the
// whole of it, and returns it for the first application.
func (w *world) freshSession() *sessiontypes.Session {
	w.t.Helper()
	app := w.net.Applications[0]
	for {
		height, err := w.node.StateHeight(w.ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		session, err := w.queries.Session(w.ctx, app.Address, app.ServiceID, height)
		if err != nil {
			w.t.Fatal(err)
		}
		if height <= session.Header.SessionStartBlockHeight+1 {
			return session
		}
		if err := w.net.WaitForHeight(w.ctx, session.Header.SessionEndBlockHeight+1); err != nil {
			w.t.Fatal(err)
		}
	}
}

// client returns a client that signs for the first application with the key of
// its gateway.
func (w *world) client() *client.Client {
	w.t.Helper()
	app := w.net.Applications[0]
	signer, err := ring.NewSigner(w.key(w.net.Gateways[0].PrivateKeyHex), w.members(app.Address, app.Gateways...))
	if err != nil {
		w.t.Fatal(err)
	}
	return &client.Client{Signer: signer}
}

func (w *world) key(private string) []byte {
	w.t.Helper()
	key, err := hex.DecodeString(private)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// members returns the public keys of accounts.
func (w *world) members(first string, more ...string) [][]byte {
	w.t.Helper()
	var members [][]byte
	for _, address := range append([]string{first}, more...) {
		key, err := w.queries.PubKey(w.ctx, address)
		if err != nil {
			w.t.Fatal(err)
		}
		members = append(members, key.Bytes())
	}
	return members
}

// relay returns a relay of the session to its first supplier.
func (w *world) relay(session *sessiontypes.Session) *client.Relay {
	w.t.Helper()
	supplier := session.Suppliers[0].OperatorAddress
	key, err := w.queries.PubKey(w.ctx, supplier)
	if err != nil {
		w.t.Fatal(err)
	}
	return &client.Relay{
		Session:     session.Header,
		Supplier:    supplier,
		SupplierKey: key,
		Endpoint:    w.net.Services[0].ListenURL,
		Request:     client.JSONRPC([]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`)),
	}
}

// requests returns how many requests have reached the service.
func (w *world) requests() int64 { return w.net.Backend(w.net.Services[0].ID).Requests() }
