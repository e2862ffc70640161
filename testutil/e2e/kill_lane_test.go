package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

// lane is a service of a chain with an application, a supplier and a relay miner
// of its own, so that tests can share the chain and run at the same time.
type lane struct {
	*caller
	supplier   string
	configPath string
}

// newLanes starts a chain with an application and a supplier for each service.
func newLanes(t *testing.T, services []localnet.ServiceConfig) *world {
	t.Helper()
	const window = 24 // blocks
	return newKillWorld(t, localnet.Config{
		Services:         services,
		Applications:     len(services),
		Suppliers:        len(services),
		BlocksPerSession: 8,
	}, window, timeout)
}

// sideBySide runs a test in the lane of each service, all of them at the same
// time: they wait most of the time, so that the number of processors, which
// bounds parallel tests, is no measure.
func (w *world) sideBySide(t *testing.T, test func(t *testing.T, i int, l *lane)) {
	t.Helper()
	var running sync.WaitGroup
	for i, service := range w.net.Services {
		l := w.lane(t, i)
		running.Go(func() {
			t.Run(service.ID, func(t *testing.T) { test(t, i, l) })
		})
	}
	running.Wait()
}

// lane returns the lane of the i-th service.
func (w *world) lane(t *testing.T, i int) *lane {
	t.Helper()
	return &lane{
		caller:     w.newCaller(t, w.net.Applications[i], newLedger()),
		supplier:   w.net.Suppliers[i].OperatorAddress,
		configPath: w.laneConfig(t, i),
	}
}

// laneConfig writes the configuration of a relay miner for one supplier and one
// service of the network, and returns its path.
func (w *world) laneConfig(t *testing.T, i int) string {
	t.Helper()
	bz, err := os.ReadFile(w.net.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(bz, &all); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all["default_signing_key_names"] = []string{w.net.Suppliers[i].KeyName}
	all["suppliers"] = all["suppliers"].([]any)[i : i+1]
	all["smt_store_path"] = filepath.Join(dir, "smt")
	if bz, err = yaml.Marshal(all); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "relayminer.yaml")
	if err := os.WriteFile(path, bz, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// miner returns the lane's relay miner.
func (l *lane) miner(t *testing.T) program {
	t.Helper()
	args := l.w.net.RelayMinerArgs()
	at := slices.Index(args, l.w.net.ConfigPath)
	if at < 0 {
		t.Fatalf("no configuration in %q", args)
	}
	args[at] = l.configPath
	return commandLine(t, append(args, "--home", filepath.Dir(l.configPath))) // the last one counts
}

// mortal returns the lane's relay miner that kills itself at a point.
func (l *lane) mortal(t *testing.T, at point) program {
	t.Helper()
	return program{
		path: ownPath(t),
		env:  []string{minerEnv + "=" + string(at)},
		args: []string{l.configPath, filepath.Dir(l.configPath), l.w.net.KeyringDir, l.w.net.ChainID},
	}
}

// serve has relays answered.
func (l *lane) serve(t *testing.T, session *sessiontypes.Session, relays int) {
	t.Helper()
	for range relays {
		if err := l.send(l.w.ctx, session, l.supplier); err != nil {
			t.Fatal(err)
		}
	}
}

// checkPaid waits until the windows of the lane's sessions are closed, and makes
// sure that so many relays were claimed, and settled.
func (l *lane) checkPaid(t *testing.T, relays uint64) {
	t.Helper()
	if claimed, _ := l.ledger.audit(t, l.w.awaitFates(t, l.ledger)); claimed != relays {
		t.Errorf("%d relays were claimed, want %d", claimed, relays)
	}
}
