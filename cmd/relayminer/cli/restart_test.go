package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cosmossdk.io/depinject"
	"cosmossdk.io/math"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/chain/tx"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/testutil/simchain"
)

const (
	restarts        = 100
	relaysPerRound  = 6
	restartClients  = 3
	restartPatience = time.Minute
)

// cycle is a relay miner that is started and stopped again and again, on one
// store, before a chain in memory.
type cycle struct {
	t       *testing.T
	chain   *simchain.Chain
	keys    *chain.Keys
	cfg     *config.Config
	dir     string
	records string
	address string
	http    *http.Client

	instance *Instance
	parting  func() // what the chain does while the submitter follows what is under way
	sent     atomic.Int64
	answered atomic.Int64
}

// questions are what the chain can be asked, without the way to send it something.
type questions struct {
	relayer.BlockSource
	relayer.BlockQuerier
	relayer.SessionQuerier
	relayer.SharedQuerier
	relayer.ApplicationQuerier
	relayer.AccountQuerier
	relayer.ServiceQuerier
	relayer.ProofQuerier
	relayer.TokenomicsQuerier
	relayer.SupplierQuerier
	relayer.BalanceQuerier
}

// MinSupplierStake makes questions a session.FundsQuerier.
func (questions) MinSupplierStake(context.Context) (math.Int, error) { return math.OneInt(), nil }

// follower is a submitter that follows what is under way when it is stopped.
type follower struct{ *cycle }

func (f follower) Submit(ctx context.Context, s *relayer.Submission) (<-chan relayer.Outcome, error) {
	return f.chain.Submit(ctx, s)
}

func (f follower) Stats() tx.Stats { return tx.Stats{} }

func (f follower) Stop(context.Context) error {
	f.parting()
	f.chain.Park()
	return nil
}

func newCycle(t *testing.T, backend string) *cycle {
	c := &cycle{t: t, chain: simchain.New(simchain.Options{Suppliers: 2, Applications: 2}), dir: t.TempDir(), records: t.TempDir()}
	c.address = freeAddress(t)
	c.http = &http.Client{Transport: &http.Transport{}}
	c.parting = func() {}
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	kr := keyring.NewInMemory(codec.NewProtoCodec(registry))
	var names []string
	for i, supplier := range c.chain.Suppliers {
		name := fmt.Sprintf("supplier%d", i)
		if err := kr.ImportPrivKeyHex(name, fmt.Sprintf("%x", supplier.Key.Bytes()), "secp256k1"); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	var err error
	if c.keys, err = chain.LoadKeys(kr, names); err != nil {
		t.Fatal(err)
	}
	c.cfg, err = config.Parse("test.yaml", fmt.Appendf(nil, `
default_signing_key_names: [supplier0, supplier1]
smt_store_path: %s
pocket_node: {query_node_rpc_url: "tcp://127.0.0.1:1", query_node_grpc_url: "tcp://127.0.0.1:2", tx_node_rpc_url: "tcp://127.0.0.1:1"}
suppliers:
  - {service_id: %s, listen_url: "http://%s", service_config: {backend_url: "%s"}}
`, c.dir, simchain.Service, c.address, backend))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// freeAddress returns a loopback address that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (c *cycle) start() {
	c.t.Helper()
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(c.dir, store.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	rings, err := ring.NewVerifier(ring.WithListedMembers())
	if err != nil {
		c.t.Fatal(err)
	}
	i := &Instance{log: log, rings: rings, fatal: async.NewFatal(), store: st, txs: follower{c}}
	asked := questions{c.chain, c.chain, c.chain, c.chain, c.chain, c.chain, c.chain, c.chain, c.chain, c.chain, c.chain}
	base := depinject.Supply(c.cfg, log, c.keys, asked, st, rings, &relayer.Receipts{}, storedUsage{st})
	if err = i.assemble(base, c.cfg, c.keys, Decorators{}); err != nil {
		c.t.Fatal(err)
	}
	if i.miner, err = relayer.NewRelayMiner(context.Background(), i.parts.config()); err != nil {
		c.t.Fatal(err)
	}
	if i.keeper, err = session.NewKeeper(i.parts.manager, session.KeeperOptions{Logger: log, RecordsDir: c.records}); err != nil {
		c.t.Fatal(err)
	}
	if i.funds, err = session.NewFundsMonitor(i.parts.manager, c.keys.Addresses(), asked, log); err != nil {
		c.t.Fatal(err)
	}
	if err := i.Start(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	c.instance = i
}

func (c *cycle) stop() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), restartPatience)
	defer cancel()
	if err := c.instance.Stop(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// send sends relays until the context is done. A relay that was sent is waited for.
func (c *cycle) send(ctx context.Context, app int) error {
	signer, err := c.chain.Signer(app)
	if err != nil {
		return err
	}
	sender := &client.Client{Signer: signer, HTTP: c.http}
	for ctx.Err() == nil {
		n := c.sent.Add(1)
		supplier := c.chain.Suppliers[int(n)%len(c.chain.Suppliers)]
		relay := &client.Relay{
			Session:  c.chain.Header(c.chain.Applications[app].Address, c.chain.Latest().Height),
			Supplier: supplier.Address, SupplierKey: supplier.Key.PubKey(), Endpoint: "http://" + c.address,
			Request: client.JSONRPC(fmt.Appendf(nil, `{"id":%d}`, n)),
		}
		_, err := sender.Send(context.WithoutCancel(ctx), relay)
		var refused *client.RefusedError
		switch {
		case err == nil:
			c.answered.Add(1)
		case errors.As(err, &refused), errors.Is(err, client.ErrReply):
			return err
		default: // stopped
		}
	}
	return nil
}

// load has clients send relays until enough of them are answered, does something
// while they go on, and ends them.
func (c *cycle) load(meanwhile func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	target := c.answered.Load() + relaysPerRound
	var clients sync.WaitGroup
	for n := range restartClients {
		clients.Go(func() {
			if err := c.send(ctx, n%len(c.chain.Applications)); err != nil {
				c.t.Error(err)
			}
		})
	}
	c.until("relays are answered", func() bool { return c.answered.Load() >= target || c.t.Failed() })
	meanwhile()
	cancel()
	clients.Wait()
}

// until waits for a condition that nothing signals.
func (c *cycle) until(what string, condition func() bool) {
	c.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(restartPatience)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			c.t.Fatalf("it does not come about that %s", what)
		}
	}
}

// rest waits until all sessions wait for the next block.
func (c *cycle) rest() {
	c.t.Helper()
	c.until("the sessions come to rest", func() bool {
		records, err := session.Records(c.instance.store)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, record := range records {
			if !record.State.Final() && !c.rests(record) {
				return false
			}
		}
		return true
	})
}

func (c *cycle) rests(record *session.Record) bool {
	params, _ := c.chain.SharedParams(context.Background())
	height := c.chain.Latest().Height
	switch record.State {
	case session.StateOpen, session.StateSealed:
		return height < sharedtypes.GetClaimWindowOpenHeight(params, record.EndHeight)
	case session.StateClaiming:
		return c.chain.Waiting("claim/" + record.Key().String())
	case session.StateClaimed:
		return height < sharedtypes.GetProofWindowOpenHeight(params, record.EndHeight)
	case session.StateProving:
		return c.chain.Waiting("proof/" + record.Key().String())
	default:
		return height < sharedtypes.GetProofWindowCloseHeight(params, record.EndHeight)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("open files are counted in /proc: %v", err)
	}
	return len(entries)
}

// A stop and a start lose no relay that was answered, and leave nothing behind.
func TestInstance_StoppedAndStartedAHundredTimesUnderLoadLosesNothing(t *testing.T) {
	before := openFiles(t)
	running := goleak.IgnoreCurrent()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	c := newCycle(t, backend.URL)
	for range restarts {
		c.start()
		c.rest()
		c.chain.Advance(1)
		c.load(c.stop)
		if t.Failed() {
			return
		}
	}
	c.settle()
	c.chain.Close()
	c.http.CloseIdleConnections()
	backend.Close()
	goleak.VerifyNone(t, running)
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

// settle lets all sessions come to their end and compares what was answered with
// what is stored, claimed and paid.
func (c *cycle) settle() {
	c.t.Helper()
	c.start()
	for range 16 {
		c.rest()
		c.chain.Advance(1)
	}
	c.rest()
	records, err := session.Records(c.instance.store)
	if err != nil {
		c.t.Fatal(err)
	}
	claimed := uint64(0)
	for _, record := range records {
		claimed += record.Relays
		if record.State != session.StateSettled {
			c.t.Errorf("session %s is %s: %+v", record.SessionID, record.State, record.Timeline)
		}
	}
	c.stop()
	answered, totals := uint64(c.answered.Load()), c.chain.Totals()
	if claimed != answered || totals.Relays != answered || totals.Expired > 0 {
		c.t.Errorf("%d relays answered, %d claimed, %d paid; %+v", answered, claimed, totals.Relays, totals)
	}
	c.t.Logf("%d restarts: %d relays sent, %d answered, claimed and paid, in %d sessions",
		restarts, c.sent.Load(), answered, len(records))
}
