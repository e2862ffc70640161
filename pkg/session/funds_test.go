package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"cosmossdk.io/math"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// treasury is a chain that tells what suppliers have.
type treasury struct {
	balance, stake, minimum, penalty int64

	mu    sync.Mutex
	err   error
	asked []string
}

func (c *treasury) Balance(_ context.Context, address string) (math.Int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, address)
	return math.NewInt(c.balance), c.err
}

func (c *treasury) Supplier(context.Context, string) (*sharedtypes.Supplier, error) {
	stake := cosmostypes.NewInt64Coin("upokt", c.stake)
	return &sharedtypes.Supplier{Stake: &stake}, nil
}

func (c *treasury) ProofParams(context.Context) (*prooftypes.Params, error) {
	penalty := cosmostypes.NewInt64Coin("upokt", c.penalty)
	return &prooftypes.Params{ProofMissingPenalty: &penalty}, nil
}

func (c *treasury) MinSupplierStake(context.Context) (math.Int, error) {
	return math.NewInt(c.minimum), nil
}

// monitor returns a monitor that the test drives, and its log.
func monitor(t *testing.T, chain FundsQuerier, suppliers ...string) (*FundsMonitor, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	f, err := NewFundsMonitor(&sessionsManager{}, suppliers, chain, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	return f, &log
}

func TestFunds_PenaltiesAreCoveredDownToTheMinimalStake(t *testing.T) {
	for _, c := range []struct{ stake, minimum, penalty, want int64 }{
		{1000, 100, 300, 3}, {1000, 101, 300, 2}, {1000, 1000, 1, 0}, {50, 100, 1, 0}, {100, 0, 100, 1},
	} {
		got := penaltiesCovered(math.NewInt(c.stake), math.NewInt(c.minimum), math.NewInt(c.penalty))
		if got == nil || *got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	if got := penaltiesCovered(math.NewInt(5), math.NewInt(1), math.ZeroInt()); got != nil {
		t.Errorf("penalties of nothing: %d", *got)
	}
}

func TestFundsMonitor_WarnsOnceWhenFundsRunShortAndTellsWhenTheyDoNot(t *testing.T) {
	chain := &treasury{balance: 5000, stake: 1000, minimum: 100, penalty: 400}
	f, log := monitor(t, chain, testSupplier)
	f.noteFee(&Record{Supplier: testSupplier, ClaimAttempts: []relayer.TxAttempt{{FeeUpokt: 180, Messages: 3}}})
	f.noteFee(&Record{Supplier: "pokt1stranger", ClaimAttempts: []relayer.TxAttempt{{FeeUpokt: 180}}})
	for _, height := range []int64{10, 20, 30} {
		f.look(height)
	}
	got := f.Funds()
	if len(got) != 1 || got[0].BalanceUpokt != 5000 || *got[0].PenaltiesCovered != 2 || got[0].FeeUpokt != 60 || got[0].Height != 30 {
		t.Errorf("funds %+v", got)
	}
	for _, message := range []string{"stake covers few", "balance pays for few"} {
		if n := strings.Count(log.String(), message); n != 1 {
			t.Errorf("%q is in the log %d times: %s", message, n, log)
		}
	}
	chain.balance, chain.stake = 6000, 1300
	f.look(40)
	for _, message := range []string{"stake covers enough penalties again", "balance pays for enough claims and proofs again"} {
		if !strings.Contains(log.String(), message) {
			t.Errorf("%q is not in the log: %s", message, log)
		}
	}
}

func TestFundsMonitor_AsksForFewSuppliersAtABlock(t *testing.T) {
	chain := &treasury{}
	var suppliers []string
	for n := range 2*fundsPerBlock + 1 {
		suppliers = append(suppliers, fmt.Sprint(n))
	}
	f, _ := monitor(t, chain, suppliers...)
	for height, want := range []int{fundsPerBlock, 2 * fundsPerBlock, 2*fundsPerBlock + 1, 2*fundsPerBlock + 1} {
		f.look(int64(height + 1))
		if got := len(chain.asked); got != want {
			t.Errorf("%d suppliers were asked for by block %d, want %d", got, height+1, want)
		}
	}
	f.look(1 + fundsEvery)
	if got := len(chain.asked); got != 3*fundsPerBlock+1 {
		t.Errorf("%d suppliers were asked for", got)
	}
}

func TestFundsMonitor_KeepsWhatItKnowsWhileTheChainIsSilent(t *testing.T) {
	chain := &treasury{balance: 7}
	f, _ := monitor(t, chain, "a", "b")
	f.look(1)
	chain.err = errors.New("silent")
	f.look(11)
	f.look(12)
	got := f.Funds()
	if got[0].BalanceUpokt != 7 || got[0].Height != 1 || got[0].Problem != "silent" || got[1].Problem != "" {
		t.Errorf("funds %+v", got)
	}
	chain.err = nil
	f.look(13)
	if got := f.Funds(); got[0].Height != 13 || got[0].Problem != "" {
		t.Errorf("funds %+v", got)
	}
}

func TestFundsMonitor_IsDrivenByBlocksAndSessions(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	f, err := NewFundsMonitor(b.manager, []string{testSupplier}, &treasury{balance: 7}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f.Start()
	defer f.Stop()
	chain.advance(3)
	eventually(t, "the balance is known", func() bool { return f.Funds()[0].BalanceUpokt == 7 })
}

func TestOverview_GroupsWhatIsUnfinishedByItsEnd(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	b.sendAll(0, 2)
	inspector, err := NewLiveInspector(b.store, b.manager)
	if err != nil {
		t.Fatal(err)
	}
	w := chain.windows(4)
	o, err := inspector.Overview(t.Context())
	if err != nil || o.States[StateOpen] != 1 || len(o.Unfinished) != 1 {
		t.Fatalf("%+v, error %v", o, err)
	}
	ending := o.Unfinished[0]
	if ending.EndHeight != 4 || *ending.Claim != (Window{w.ClaimOpen, w.ClaimClose, w.ClaimClose - w.ClaimOpen + 1}) {
		t.Errorf("%+v, claim window %+v", ending, ending.Claim)
	}
	b.toOutcome(w, StateSettled)
	b.rest()
	o, err = inspector.Overview(t.Context())
	if err != nil || o.States[StateSettled] != 1 || len(o.Unfinished) != 0 {
		t.Errorf("%+v, error %v", o, err)
	}
}

func TestWindow_CountsTheBlocksThatAMessageCanStillBeIn(t *testing.T) {
	for height, want := range map[int64]int64{1: 3, 9: 3, 10: 2, 11: 1, 12: 0, 50: 0} {
		if got := windowAt(height, 10, 12); got.Left != want {
			t.Errorf("at %d %d blocks are left, want %d", height, got.Left, want)
		}
	}
}
