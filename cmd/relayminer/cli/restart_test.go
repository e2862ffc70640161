package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/simchain"
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
	dir     string
	records string
	address string
	backend string
	http    *http.Client

	miner    *simMiner
	parting  func() // what the chain does while the submitter follows what is under way
	sent     atomic.Int64
	answered atomic.Int64
}

func newCycle(t *testing.T, backend string) *cycle {
	c := &cycle{t: t, chain: simchain.New(simchain.Options{Suppliers: 2, Applications: 2}), dir: t.TempDir(), records: t.TempDir()}
	var err error
	if c.address, err = freeAddress(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.http = &http.Client{Transport: &http.Transport{}}
	c.backend = backend
	return c
}

func (c *cycle) start() {
	c.t.Helper()
	miner, err := newSimMiner(c.chain, simConfig{
		StoreDir: c.dir, RecordsDir: c.records, Address: c.address, Backend: c.backend, Parting: c.parting,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := miner.Start(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	c.miner = miner
}

func (c *cycle) stop() {
	c.t.Helper()
	c.within(func(ctx context.Context) error {
		err := c.miner.Stop(ctx)
		c.chain.Park()
		return err
	})
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

// load has clients send relays until enough of them are answered, calls then while
// they go on, and ends them.
func (c *cycle) load(then func()) {
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
	then()
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
	c.within(c.miner.rest)
}

// within has something done in restartPatience.
func (c *cycle) within(do func(context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), restartPatience)
	defer cancel()
	if err := do(ctx); err != nil {
		c.t.Fatal(err)
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
	c.within(c.miner.settle)
	records, err := session.Records(c.miner.store)
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
