package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// killRoundsEnv is how often the relay miner is killed under load, 3 times if it
// is not set.
const killRoundsEnv = "E2E_KILL_ROUNDS"

func killRounds(t *testing.T) int {
	t.Helper()
	value := os.Getenv(killRoundsEnv)
	if value == "" {
		return 3
	}
	rounds, err := strconv.Atoi(value)
	if err != nil || rounds < 1 {
		t.Fatalf("%s is %q, not a number of rounds", killRoundsEnv, value)
	}
	return rounds
}

// life says when the relay miner is killed in a round. It is in turn within its
// first two seconds of service, while it starts, and in the second of those two
// seconds: what lives for a second gets something done in each window.
func life(round int) (whileStarting bool, after time.Duration) {
	switch round % 3 {
	case 0:
		return false, rand.N(2 * time.Second)
	case 1:
		return true, rand.N(200 * time.Millisecond)
	default:
		return false, time.Second + rand.N(time.Second)
	}
}

// The relay miner is its own program, and is killed with SIGKILL at random
// instants, which fall before, between and into the claim and proof windows of
// the sessions that overlap. E2E_KILL_ROUNDS=50 makes it a long run of two minutes
// and more; go test then wants -timeout 30m.
func TestKill_AtAnyInstantUnderLoadLosesNoAnsweredRelay(t *testing.T) {
	const window = 24 // blocks: several lives
	rounds := killRounds(t)
	w := newKillWorld(t, localnet.Config{Suppliers: 2, Applications: 2}, window,
		3*time.Minute+time.Duration(rounds)*15*time.Second)
	program := ownProgram(t, w.net.RelayMinerArgs())
	began := time.Now()

	miner := program.start(t)
	load := startLoad(t, w, miner)
	for round := range rounds {
		whileStarting, after := life(round)
		if !whileStarting {
			miner.awaitReady(w.ctx, t)
		}
		live(w.ctx, t, miner, after)
		miner.kill(w.ctx, t)
		miner = program.start(t)
		load.server.Store(miner)
	}
	miner.awaitReady(w.ctx, t)
	live(w.ctx, t, miner, time.Second)
	load.end(t)

	chain := w.awaitFates(t, load.ledger)
	claimed, sessions := load.ledger.audit(t, chain)
	if len(chain) != sessions {
		t.Errorf("the chain saw %d sessions, %d of them with relays", len(chain), sessions)
	}
	miner.stop(w.ctx, t, syscall.SIGTERM)
	checkRecords(t, w.net.ConfigPath, chain)
	sum := load.ledger.total()
	if sum.answered == 0 {
		t.Error("no relay was answered")
	}
	t.Logf("%d kills in %s: %d relays sent, %d answered, %d claimed and settled in %d sessions; refused: %s",
		rounds, time.Since(began).Round(time.Second), sum.sent, sum.answered, claimed, sessions,
		load.ledger.refusalsText())
}

// live lets the relay miner run for a while.
func live(ctx context.Context, t *testing.T, miner *process, while time.Duration) {
	t.Helper()
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-miner.Ended():
		t.Fatalf("the relay miner ended by itself: %s", miner.End())
	case <-ctx.Done():
		t.Fatal(ctx.Err())
	}
}

// load is clients that send one relay after the other.
type load struct {
	ledger *ledger
	server atomic.Pointer[process] // the relay miner that serves, or is going to
	stop   chan struct{}           // closed by end
	errs   chan error              // one from each client, when it has ended
	count  int
}

// clientsPerApp send relays at the same time for each application.
const clientsPerApp = 2

// startLoad starts the clients of all applications.
func startLoad(t *testing.T, w *world, server *process) *load {
	t.Helper()
	l := &load{ledger: newLedger(), stop: make(chan struct{})}
	l.server.Store(server)
	l.count = clientsPerApp * len(w.net.Applications)
	l.errs = make(chan error, l.count)
	ctx, cancel := context.WithCancel(w.ctx)
	t.Cleanup(cancel)
	for _, app := range w.net.Applications {
		c := w.newCaller(t, app, l.ledger)
		for first := range clientsPerApp {
			go func() { l.errs <- l.send(ctx, c, first) }() // awaited by end
		}
	}
	return l
}

// end lets the relays in flight end and awaits the clients.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	for range l.count {
		if err := <-l.errs; err != nil {
			t.Error(err)
		}
	}
}

// send sends relays to the suppliers of the current session in turn.
func (l *load) send(ctx context.Context, c *caller, n int) error {
	for ; ; n++ {
		select {
		case <-l.stop:
			return nil
		default:
		}
		current, err := c.current(ctx)
		if err != nil {
			return err
		}
		err = c.send(ctx, current, current.Suppliers[n%len(current.Suppliers)].OperatorAddress)
		var refused *client.RefusedError
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return err
		case errors.As(err, &refused): // for a session that is over, or one that the relay miner has not seen
			if err := c.w.net.WaitForHeight(ctx, c.w.net.Height()+1); err != nil {
				return err
			}
		default: // the relay miner is dead, or does not serve yet
			server := l.server.Load()
			select {
			case <-server.Ready():
			case <-server.Ended():
			case <-l.stop:
			}
		}
	}
}

// checkRecords compares what the relay miner has written down with what the chain
// has seen, after the relay miner has ended.
func checkRecords(t *testing.T, configPath string, chain fates) {
	t.Helper()
	cfg, err := config.Load(configPath)
	if err != nil {
		t.Fatal(err)
	}
	relays, err := store.Open(cfg.StorePath(""), store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := relays.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	records, err := session.Records(relays)
	if err != nil {
		t.Fatal(err)
	}
	roots := make(map[sessionRef]string)
	for _, record := range records {
		ref := sessionRef{record.Application, record.ServiceID, record.Supplier, record.EndHeight}
		roots[ref] = record.Root
		switch record.State {
		case session.StateMissed, session.StateConflict, session.StateExpired, session.StateRejected, session.StateUnprofitable:
			t.Errorf("%s is recorded as %s: %+v", ref, record.State, record.Timeline)
		}
	}
	for ref, f := range chain {
		if len(f.roots) > 0 && roots[ref] != f.roots[0] {
			t.Errorf("%s: root %s is recorded, %s was claimed", ref, roots[ref], f.roots[0])
		}
	}
}
