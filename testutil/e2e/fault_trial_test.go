package e2e

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/testutil/faultnode"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// What all trials have in common. The relay miner's own patience, some seconds
// before it asks again or polls, is made for blocks that take half a minute or
// more, so that these are harsher than any real chain's.
const (
	faultBlockTime   = 2 * time.Second
	faultCallTimeout = time.Second
	faultSession     = 6 // blocks of a session
	// faultWindow is the blocks of each window. Trouble that lasts for blocks is over
	// after three or four of them, and the relay miner tries again within the time of
	// three.
	faultWindow = 9
	faultLimit  = 6 * time.Minute

	appsPerTrial      = 3
	suppliersPerTrial = 2
	relaysPerSession  = 3
)

// scenario is what goes wrong between a relay miner and its node, and how it is
// to end.
type scenario struct {
	name string
	// core scenarios are always run, the others where faultRuns is set.
	core bool
	// apps and suppliers are how many take part, one by default: each application
	// has a session with each supplier, all of them with the same windows.
	apps, suppliers int
	// sessions is in how many sessions, one after the other, relays are served, one
	// by default.
	sessions int
	// gasPrices are the relay miner's.
	gasPrices string
	// always puts rules in force before the relay miner starts.
	always func(*trial)
	// trouble is called when the relays are served, before the first session's end.
	trouble func(*trial)
	// end is what becomes of the sessions, paid by default.
	end ending
}

// trial is a scenario on its way: a service of the chain with applications and
// suppliers, a relay miner and the node as it sees it.
type trial struct {
	scenario
	t         *testing.T
	ctx       context.Context
	w         *faultWorld
	node      *faultnode.Proxy
	miner     *cli.Instance
	ledger    *ledger
	callers   []*caller
	suppliers []localnet.Supplier
	service   int
	demands   []demand
	params    *sharedtypes.Params

	// Heights at which the windows of the first session open, and the last at
	// which a message is in time.
	claimOpen, claimClose, proofOpen, proofClose int64
}

// demand is a rule that the trial is not worth anything without.
type demand struct {
	rule   faultnode.Rule
	active *faultnode.Active
}

// faultWorld is a chain that trials share.
type faultWorld struct {
	*world
	told *chronicle
	// held keeps the listen address of each service from everybody else until its
	// relay miner starts.
	held []net.Listener
}

// faultRuns is set where all scenarios are to be run.
const faultRuns = "E2E_FAULTS"

// allFaults reports whether all scenarios are to be run.
func allFaults() bool { return os.Getenv(faultRuns) != "" }

// needAllFaults skips a test whose scenarios are not core ones.
func needAllFaults(t *testing.T) {
	t.Helper()
	if !allFaults() {
		t.Skip("takes minutes: set " + faultRuns + "=1, see docs/testing.md")
	}
}

// newFaultWorld starts a chain with a service, applications and suppliers for
// each of some trials.
func newFaultWorld(t *testing.T, scenarios []scenario) *faultWorld {
	t.Helper()
	services := make([]localnet.ServiceConfig, len(scenarios))
	for i, s := range scenarios {
		services[i].ID = s.name
	}
	w := newKillWorld(t, localnet.Config{
		Services:         services,
		Applications:     appsPerTrial * len(services),
		Suppliers:        suppliersPerTrial * len(services),
		BlockTime:        faultBlockTime,
		BlocksPerSession: faultSession,
		Genesis: localnet.GenesisHooks{Suppliers: func(all []sharedtypes.Supplier) {
			for i := range all {
				all[i].Services = all[i].Services[i%len(services):][:1]
			}
		}},
	}, faultWindow, faultLimit)
	fw := &faultWorld{world: w, told: newChronicle(w.net)}
	for _, service := range w.net.Services {
		listener, err := net.Listen("tcp", strings.TrimPrefix(service.ListenURL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() }) // closed already if its relay miner has started
		fw.held = append(fw.held, listener)
	}
	return fw
}

// newTrial prepares the trial of a scenario with the i-th service of the chain.
func newTrial(t *testing.T, w *faultWorld, i int, s scenario) *trial {
	t.Helper()
	tr := &trial{scenario: s, t: t, ctx: w.ctx, w: w, ledger: newLedger(), service: i}
	services := len(w.net.Services)
	for n := range max(s.apps, 1) {
		tr.callers = append(tr.callers, w.newCaller(t, w.net.Applications[i+n*services], tr.ledger))
	}
	for n := range max(s.suppliers, 1) {
		tr.suppliers = append(tr.suppliers, w.net.Suppliers[i+n*services])
	}
	node, err := faultnode.Start(faultnode.Config{RPCAddr: w.net.RPCAddr, GRPCAddr: w.net.GRPCURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("close the proxy: %v", err)
		}
	})
	tr.node = node
	return tr
}

// options are those of the trial's relay miner, which is wired as `relayminer
// start` wires it and has the proxy for a node.
func (tr *trial) options() cli.Options {
	dir := tr.t.TempDir()
	return cli.Options{
		ConfigPath:     tr.writeConfig(dir),
		KeyringBackend: "test",
		KeyringDir:     tr.w.net.KeyringDir,
		GasPrices:      tr.gasPrices,
		ChainID:        tr.w.net.ChainID,
		Node: func(c *chain.Config) {
			c.QueryGRPCURLs = []string{tr.node.GRPCURL}
			c.QueryRPCURLs, c.TxRPCURLs = []string{tr.node.RPCURL}, []string{tr.node.RPCURL}
			c.Timeout = faultCallTimeout
		},
		Log: slog.New(slog.NewTextHandler(tr.t.Output(), nil)),
	}
}

// vacate gives the trial's listen address to its relay miner.
func (tr *trial) vacate() {
	_ = tr.w.held[tr.service].Close() // closed already if it had one before
}

// writeConfig writes the network's configuration for the trial's suppliers and
// service, with a store of its own, and returns its path.
func (tr *trial) writeConfig(dir string) string {
	tr.t.Helper()
	bz, err := os.ReadFile(tr.w.net.ConfigPath)
	if err != nil {
		tr.t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(bz, &all); err != nil {
		tr.t.Fatal(err)
	}
	var keys []string
	for _, supplier := range tr.suppliers {
		keys = append(keys, supplier.KeyName)
	}
	all["default_signing_key_names"] = keys
	all["suppliers"] = all["suppliers"].([]any)[tr.service : tr.service+1]
	all["smt_store_path"] = filepath.Join(dir, "smt")
	if bz, err = yaml.Marshal(all); err != nil {
		tr.t.Fatal(err)
	}
	path := filepath.Join(dir, "relayminer.yaml")
	if err := os.WriteFile(path, bz, 0o600); err != nil {
		tr.t.Fatal(err)
	}
	return path
}

// startMiner starts the relay miner, and stops it at the end of the test.
func (tr *trial) startMiner() {
	tr.t.Helper()
	tr.vacate()
	miner, err := cli.New(tr.ctx, tr.options())
	if err != nil {
		tr.t.Fatalf("make the relay miner: %v", err)
	}
	tr.miner = miner
	tr.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := miner.Stop(ctx); err != nil {
			tr.t.Errorf("stop the relay miner: %v", err)
		}
	})
	if err := miner.Start(tr.ctx); err != nil {
		tr.t.Fatalf("start the relay miner: %v", err)
	}
}

// run goes through the scenario. together is called when the relay miner serves,
// and returns when it is the trial's turn to go on.
func (tr *trial) run(together func()) {
	if tr.always != nil {
		tr.always(tr)
	}
	tr.startMiner()
	together()
	for n := range max(tr.sessions, 1) {
		session := tr.serve()
		if n == 0 {
			tr.learnWindows(session)
		}
		if n+1 < tr.sessions {
			tr.at(session.Header.SessionEndBlockHeight + 1)
		}
	}
	if tr.trouble != nil {
		tr.trouble(tr)
	}
	tr.judge()
	for _, d := range tr.demands {
		if met, want := d.active.Hits(), max(d.rule.First, 1); met < want {
			tr.t.Errorf("a fault of %v was met %d times, want %d: the scenario did not happen", d.rule.Methods, met, want)
		}
	}
}

// serve has relays answered in a session from its beginning on, for each
// application by each supplier.
func (tr *trial) serve() (first *sessiontypes.Session) {
	tr.t.Helper()
	var sending sync.WaitGroup
	for _, c := range tr.callers {
		session := c.following(tr.ctx, tr.t, first)
		if first == nil {
			first = session
		}
		for _, supplier := range tr.suppliers {
			sending.Go(func() {
				for range relaysPerSession {
					tr.send(c, session, supplier.OperatorAddress)
				}
			})
		}
	}
	sending.Wait()
	tr.ledger.mu.Lock()
	defer tr.ledger.mu.Unlock()
	for ref, served := range tr.ledger.sessions {
		if served.answered == 0 || served.answered < relaysPerSession && tr.always == nil {
			tr.t.Fatalf("%s: %d relays were sent and %d answered", ref, served.sent, served.answered)
		}
	}
	return first
}

// following returns the application's session that is at its beginning, or that
// with the same heights as another application's.
func (c *caller) following(ctx context.Context, t *testing.T, other *sessiontypes.Session) *sessiontypes.Session {
	t.Helper()
	if other == nil {
		return c.fresh(ctx, t)
	}
	session, err := c.w.queries.Session(ctx, c.app.Address, c.app.ServiceID, other.Header.SessionStartBlockHeight)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// send has a relay answered. It may need several tries: the relay miner learns
// later than the client that there is a new session, and what it asks its node for
// may fail.
func (tr *trial) send(c *caller, session *sessiontypes.Session, supplier string) {
	for {
		height := tr.w.net.Height()
		err := c.send(tr.ctx, session, supplier)
		if err == nil {
			return
		}
		tr.t.Logf("relay at height %d: %v", height, err)
		if tr.w.net.Height() > session.Header.SessionEndBlockHeight {
			return
		}
		if err := tr.w.net.WaitForHeight(tr.ctx, height+1); err != nil {
			tr.t.Error(err)
			return
		}
	}
}

func (tr *trial) learnWindows(session *sessiontypes.Session) {
	tr.t.Helper()
	params, err := tr.w.queries.SharedParams(tr.ctx)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.params = params
	end := session.Header.SessionEndBlockHeight
	tr.claimOpen = sharedtypes.GetClaimWindowOpenHeight(params, end)
	tr.claimClose = sharedtypes.GetClaimWindowCloseHeight(params, end)
	tr.proofOpen = sharedtypes.GetProofWindowOpenHeight(params, end)
	tr.proofClose = sharedtypes.GetProofWindowCloseHeight(params, end)
}

// at waits until the chain, not the relay miner, is at a height.
func (tr *trial) at(height int64) {
	tr.t.Helper()
	if err := tr.w.net.WaitForHeight(tr.ctx, height); err != nil {
		tr.t.Fatal(err)
	}
}

// rule puts a rule in force. The trial fails if no call meets its fault, or fewer
// than First.
func (tr *trial) rule(rule faultnode.Rule) *faultnode.Active {
	tr.t.Helper()
	active, err := tr.node.Add(rule)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.demands = append(tr.demands, demand{rule: rule, active: active})
	return active
}

// inWindows has something wrong from the block before each of the two windows
// opens, for so many blocks. begin returns what ends it.
func (tr *trial) inWindows(blocks int64, begin func() (end func())) {
	tr.t.Helper()
	tr.inWindow(tr.claimOpen, blocks, begin)
	tr.inWindow(tr.proofOpen, blocks, begin)
}

// inWindow has something wrong from the block before a window opens.
func (tr *trial) inWindow(open, blocks int64, begin func() (end func())) {
	tr.t.Helper()
	tr.at(open - 1)
	end := begin()
	defer end()
	tr.at(open - 1 + blocks)
}
