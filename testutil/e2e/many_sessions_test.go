package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// crowd is many sessions that end at the same height, on a chain whose blocks have
// so little gas that their claims, and their proofs, need several of them. Where a
// session has 20 suppliers, a claim asks for some 140,000 gas and a proof for
// 280,000, where it has one for 80,000 and 220,000.
type crowd struct {
	apps, suppliers int
	blockGas        int64
	blockTime       time.Duration
	// leastSplit is how many transactions each supplier needs at least for its
	// claims: more than one where all of them together fit into no block.
	leastSplit int

	w       *world
	t       *testing.T
	ledger  *ledger
	callers []*caller
}

const (
	crowdRelays = 2 // of each session
	crowdWindow = 8 // blocks, of the claims and of the proofs

	crowdGasPrices = "0.001upokt" // so that what is sent must be paid for
)

// start starts the chain and the relay miner.
func (c *crowd) start(t *testing.T) {
	t.Helper()
	c.t, c.ledger = t, newLedger()
	c.w = newKillWorld(t, localnet.Config{
		Suppliers:        c.suppliers,
		Applications:     c.apps,
		BlockTime:        c.blockTime,
		BlocksPerSession: 10,
		MaxBlockGas:      c.blockGas,
		MinGasPrices:     crowdGasPrices,
	}, crowdWindow, 5*time.Minute)
	for _, app := range c.w.net.Applications {
		c.callers = append(c.callers, c.w.newCaller(t, app, c.ledger))
	}
	c.startMiner()
}

// startMiner starts a relay miner that pays for its transactions.
func (c *crowd) startMiner() {
	c.t.Helper()
	opts := c.w.options()
	opts.GasPrices = crowdGasPrices
	miner, err := cli.New(c.w.ctx, opts)
	if err != nil {
		c.t.Fatal(err)
	}
	c.w.miner = miner
	c.t.Cleanup(c.w.stopMiner)
	if err := miner.Start(c.w.ctx); err != nil {
		c.t.Fatal(err)
	}
}

// serve has relays answered in every session of the same heights, and returns the
// height at which all of them end.
func (c *crowd) serve() (end int64) {
	c.t.Helper()
	first := c.callers[0].fresh(c.w.ctx, c.t)
	var sending sync.WaitGroup
	for _, sender := range c.callers {
		its := sender.following(c.w.ctx, c.t, first)
		if got := its.Header.SessionEndBlockHeight; got != first.Header.SessionEndBlockHeight {
			c.t.Fatalf("sessions end at %d and %d", got, first.Header.SessionEndBlockHeight)
		}
		sending.Go(func() { c.serveApp(sender, its) })
	}
	sending.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
	return first.Header.SessionEndBlockHeight
}

// serveApp has the relays of an application answered by all suppliers.
func (c *crowd) serveApp(sender *caller, its *sessiontypes.Session) {
	for range crowdRelays {
		for _, supplier := range c.w.net.Suppliers {
			if err := sender.send(c.w.ctx, its, supplier.OperatorAddress); err != nil {
				c.t.Errorf("relay at height %d: %v", c.w.net.Height(), err)
				return
			}
		}
	}
}

// spread is how many messages of a kind each block has included.
type spread map[int64]int

func (s spread) String() string {
	var blocks []string
	for _, height := range slices.Sorted(maps.Keys(s)) {
		blocks = append(blocks, fmt.Sprintf("%d: %d", height, s[height]))
	}
	return strings.Join(blocks, ", ")
}

// check demands that the messages have needed several blocks, all of them in the
// window.
func (s spread) check(t *testing.T, what string, first, last int64) {
	t.Helper()
	t.Logf("%s by height, in a window from %d to %d: %s", what, first, last, s)
	if len(s) < 2 {
		t.Errorf("%s needed %d block only: the scenario did not happen", what, len(s))
	}
	for height, n := range s {
		if height < first || height > last {
			t.Errorf("%d %s are in block %d, outside of the window from %d to %d", n, what, height, first, last)
		}
	}
}

func TestManySessions_ThatEndTogetherArePaidThoughBlocksAreFull(t *testing.T) {
	for name, c := range map[string]crowd{
		"200 sessions of 20 suppliers": {
			apps: 10, suppliers: 20, blockGas: 12_000_000, blockTime: time.Second, leastSplit: 1,
		},
		"what one supplier sends fits into no block": {
			apps: 10, suppliers: 1, blockGas: 500_000, blockTime: 400 * time.Millisecond, leastSplit: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.start(t)
			c.judge(c.serve())
		})
	}
}

// judge waits until the windows of the sessions that end at a height are closed,
// and demands that each was claimed, proven and settled once.
func (c *crowd) judge(end int64) {
	t, w := c.t, c.w
	t.Helper()
	params, err := w.queries.SharedParams(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	last := sharedtypes.GetProofWindowCloseHeight(params, end)
	if err := w.net.WaitForHeight(w.ctx, last+1); err != nil {
		t.Fatal(err)
	}
	events, err := w.net.Events(w.ctx, end+1, last+1)
	if err != nil {
		t.Fatal(err)
	}
	told := newChronicle(w.net)
	claims, proofs := spread{}, spread{}
	for _, event := range events {
		told.add(event)
		switch event.Msg.(type) {
		case *prooftypes.EventClaimCreated:
			claims[event.Height]++
		case *prooftypes.EventProofSubmitted:
			proofs[event.Height]++
		}
	}
	claims.check(t, "claims", sharedtypes.GetClaimWindowOpenHeight(params, end), sharedtypes.GetClaimWindowCloseHeight(params, end))
	proofs.check(t, "proofs", sharedtypes.GetProofWindowOpenHeight(params, end), last)
	if want := c.apps * c.suppliers; len(c.ledger.sessions) != want || len(told.told) != want {
		t.Errorf("%d sessions were served, the chain saw %d, want %d", len(c.ledger.sessions), len(told.told), want)
	}
	for ref, served := range c.ledger.sessions {
		if faults := told.told[ref].faults(paid, served); len(faults) > 0 {
			t.Errorf("%s: %s", ref, strings.Join(faults, "; "))
		}
	}
	c.checkTransactions()
}

// checkTransactions demands of what the running relay miner tells of its
// transactions that each message took effect once, and that the claims of a
// supplier travelled in as many transactions as they had to.
func (c *crowd) checkTransactions() {
	c.t.Helper()
	asked, err := admin.Dial(c.w.ctx, c.w.options().Home)
	if err != nil {
		c.t.Fatal(err)
	}
	defer asked.Close()
	list, err := asked.Transactions(c.w.ctx, session.TxFilter{})
	if err != nil {
		c.t.Fatal(err)
	}
	messages := make(map[session.TxKind]int)
	states := make(map[session.TxState]int)
	claimed := make(map[string]int) // transactions by supplier
	for _, tx := range list.Transactions {
		states[tx.State]++
		if tx.State != session.TxIncluded {
			continue
		}
		messages[tx.Kind] += tx.Messages
		if tx.Kind == session.TxClaim {
			claimed[tx.Supplier]++
		}
		if len(tx.Sessions) != tx.Messages || tx.FeeUpokt == 0 {
			c.t.Errorf("transaction %s carried %d messages for %d sessions at %dupokt", tx.Hash, tx.Messages, len(tx.Sessions), tx.FeeUpokt)
		}
	}
	c.t.Logf("transactions: %v", states)
	want := c.apps * c.suppliers
	if messages[session.TxClaim] != want || messages[session.TxProof] != want || states[session.TxOpen] > 0 {
		c.t.Errorf("transactions with %v messages took effect, want %d of each, and states are %v", messages, want, states)
	}
	for _, supplier := range c.w.net.Suppliers {
		if n := claimed[supplier.OperatorAddress]; n < c.leastSplit {
			c.t.Errorf("supplier %s has claimed with %d transactions, want at least %d", supplier.OperatorAddress, n, c.leastSplit)
		}
	}
}
