package meter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cosmossdk.io/depinject"
	"cosmossdk.io/math"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// A stake of 1000 upokt, of which two sessions can be pending, pays five relays
// of 100 in each.
const payable = 5

func newPayable(t testing.TB) *world {
	w := newWorld(t)
	w.params.ProofWindowCloseOffsetBlocks = 5 // 11 blocks are more than a session
	return w
}

func TestReserve_ThousandAtOnceNeverPassTheBudget(t *testing.T) {
	w := newWorld(t)
	w.stake = 137*cost + cost/2
	m := w.meter(config.Config{})
	var granted, refused atomic.Int64
	var begin, done sync.WaitGroup
	begin.Add(1)
	for range 1000 {
		done.Add(1)
		go func() { // awaited below
			defer done.Done()
			begin.Wait()
			switch _, err := reserve(m, 1); {
			case err == nil:
				granted.Add(1)
			case errors.Is(err, relayer.ErrRateLimited):
				refused.Add(1)
			default:
				t.Error(err)
			}
		}()
	}
	begin.Done()
	done.Wait()
	if granted.Load() != 137 || refused.Load() != 1000-137 {
		t.Errorf("%d relays granted and %d refused, want 137 of 1000", granted.Load(), refused.Load())
	}
	for _, question := range []string{"application", "tokenomics", "store"} {
		if n := w.count(question); n != 1 {
			t.Errorf("%d questions about the %s for one account", n, question)
		}
	}
}

func TestReserve_RefusalIsOneThatGatewaysKnow(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, payable)
	r, err := reserve(m, 1)
	if r != nil || !errors.Is(err, relayer.ErrRateLimited) {
		t.Fatalf("got %v, %v", r, err)
	}
	if e := relayer.RelayMinerError(err); e.Codespace != "relayer_proxy" || e.Code != 7 {
		t.Errorf("refused with %s %d", e.Codespace, e.Code)
	}
	if _, err := reserve(m, 1); err == nil {
		t.Error("the next relay is granted")
	}
	if n := strings.Count(w.log.String(), "can not pay"); n != 1 {
		t.Errorf("the operator is told %d times", n)
	}
	if s := m.Stats(); s.Refused != 2 || s.Served != payable || s.Accounts != 1 || s.Applications != 1 {
		t.Errorf("counted %+v", s)
	}
}

func TestReserve_RefundMakesRoomForAnotherRelay(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	var reserved []relayer.RelayReservation
	for range payable {
		r, err := reserve(m, 1)
		if err != nil {
			t.Fatal(err)
		}
		reserved = append(reserved, r)
	}
	if n := w.serve(m, 1, 1); n != 0 {
		t.Fatal("a relay is granted beyond the budget")
	}
	reserved[0].Refund()
	reserved[0].Refund()
	reserved[0].Commit()
	reserved[1].Commit()
	reserved[1].Refund()
	if n := w.serve(m, 1, 10); n != 1 {
		t.Errorf("%d relays are granted after one refund", n)
	}
	if s := m.Stats(); s.Refunded != 1 || s.Served != 2 {
		t.Errorf("counted %+v", s)
	}
}

// Whoever has relays fail when nothing is left does not fill the log.
func TestReserve_OperatorIsToldOfRefusalsOnceInABlock(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, payable-1)
	told := func() int { return strings.Count(w.log.String(), "can not pay") }
	for range 10 {
		last, err := reserve(m, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reserve(m, 1); !errors.Is(err, relayer.ErrRateLimited) {
			t.Fatal(err)
		}
		last.Refund()
	}
	if n := told(); n != 1 {
		t.Errorf("the operator is told %d times", n)
	}
	w.at(m, 2) // with the stake that it had: one relay can be paid
	if w.serve(m, 1, 10); told() != 2 {
		t.Errorf("the operator is told %d times in two blocks", told())
	}
}

func TestReserve_OverServicedWhereEnabled(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{EnableOverServicing: true})
	for n := range payable + 3 {
		r, err := reserve(m, 1)
		if err != nil {
			t.Fatal(err)
		}
		if r.OverServiced() != (n >= payable) {
			t.Errorf("relay %d is over-serviced: %v", n, r.OverServiced())
		}
		if n == payable+2 {
			r.Refund()
		} else {
			r.Commit()
		}
	}
	if s := m.Stats(); s.OverServiced != 2 || s.Served != payable || s.Refused != 0 || s.Refunded != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestReserve_SuppliersAndSessionsHaveBudgetsOfTheirOwn(t *testing.T) {
	w := newPayable(t)
	w.suppliers, w.stake = []string{supplier, "pokt1other"}, 2000
	m := w.meter(config.Config{})
	if n := w.serve(m, 1, 100); n != payable {
		t.Errorf("%d relays for the first supplier", n)
	}
	if r, err := m.Reserve(context.Background(), headerAt(1), "pokt1other", payable*cost); err != nil {
		t.Errorf("another supplier: %v, %v", r, err)
	}
}

func TestReserve_SpendLimitBoundsASession(t *testing.T) {
	w := newPayable(t)
	limit := cosmostypes.NewCoin(denom, math.NewInt(3*cost))
	w.limit = &limit
	if n := w.serve(w.meter(config.Config{}), 1, 100); n != 3 {
		t.Errorf("%d relays within a limit of three", n)
	}
}

func TestReserve_RestartContinuesWithWhatIsStored(t *testing.T) {
	w := newPayable(t)
	w.target = append([]byte{0x7f}, w.target[1:]...) // every other relay is mined
	w.stored[accountKey{headerAt(1).SessionId, supplier}] = cost
	if n := w.serve(w.meter(config.Config{}), 1, 100); n != payable-2 {
		t.Errorf("%d relays after some two were served, of which one is stored", n)
	}
}

func TestReserve_FailedLookupIsNeitherZeroNorUnlimited(t *testing.T) {
	for _, question := range []string{"session", "shared", "application", "tokenomics", "store", "difficulty"} {
		t.Run(question, func(t *testing.T) {
			w := newPayable(t)
			w.stored[accountKey{headerAt(1).SessionId, supplier}] = cost
			w.broken[question] = errDown
			m := w.meter(config.Config{})
			_, err := reserve(m, 1)
			if !errors.Is(err, relayer.ErrInternal) || !errors.Is(err, errDown) || errors.Is(err, relayer.ErrRateLimited) {
				t.Errorf("got %v", err)
			}
			w.set(func() { delete(w.broken, question) })
			if n := w.serve(m, 1, 100); n != payable-1 {
				t.Errorf("%d relays once the node is back", n)
			}
		})
	}
}

func TestReserve_ApplicationThatIsGoneCanNotPay(t *testing.T) {
	w := newPayable(t)
	w.broken["application"] = fmt.Errorf("application: %w", relayer.ErrNotFound)
	if _, err := reserve(w.meter(config.Config{}), 1); !errors.Is(err, relayer.ErrRateLimited) {
		t.Errorf("got %v", err)
	}
}

func TestReserve_LookupOutlivesTheRelayThatBeganIt(t *testing.T) {
	w := newPayable(t)
	w.hold, w.arrived = make(chan struct{}), make(chan string, 10)
	m := w.meter(config.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() { // awaited below
		_, err := m.Reserve(ctx, headerAt(1), supplier, cost)
		left <- err
	}()
	<-w.arrived
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	hold := w.hold
	w.set(func() { w.hold = nil })
	close(hold)
	if n := w.serve(m, 1, 100); n != payable {
		t.Errorf("%d relays", n)
	}
	if n := w.count("store"); n != 1 {
		t.Errorf("%d lookups", n)
	}
}

func TestReserve_AtTheBoundOfAccountsOpenOnesGoOn(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{}, withMaxAccounts(1))
	w.serve(m, 1, 1)
	_, err := m.Reserve(context.Background(), headerAt(1), "pokt1other", cost)
	if !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("got %v", err)
	}
	if n := w.serve(m, 1, 1); n != 1 {
		t.Error("the open account is refused too")
	}
}

func TestNewRelayMeter_MissingDependencyIsNamed(t *testing.T) {
	_, err := NewRelayMeter(depinject.Supply(&config.Config{}))
	if err == nil || !strings.Contains(err.Error(), "BlockSource") {
		t.Errorf("got %v", err)
	}
}

func TestStop_EndsLookups(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	m.Start()
	if err := m.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := reserve(m, 1); !errors.Is(err, relayer.ErrInternal) {
		t.Errorf("a relay after the stop: %v", err)
	}
}
