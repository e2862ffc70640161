package relayer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

var errDisk = errors.New("disk is full")

func noneLeft(t *testing.T, receipts *relayer.Receipts) {
	t.Helper()
	if pending := receipts.Pending(); pending != 0 {
		t.Errorf("%d receipts are pending", pending)
	}
}

func TestReceipts_TellWhatBecameOfARelay(t *testing.T) {
	for _, outcome := range []error{nil, errDisk} {
		synctest.Test(t, func(t *testing.T) {
			var receipts relayer.Receipts
			relay := &servicetypes.Relay{}

			// Resolved before anybody waits.
			receipt := receipts.Expect(relay)
			receipts.Resolve(relay, outcome)
			if err := receipt.Wait(t.Context()); !errors.Is(err, outcome) {
				t.Errorf("resolved early: got %v, want %v", err, outcome)
			}

			// Resolved while somebody waits.
			receipt = receipts.Expect(relay)
			told := make(chan error, 1)
			go func() { told <- receipt.Wait(t.Context()) }()
			synctest.Wait()
			if len(told) != 0 {
				t.Fatal("the receipt was not resolved, but somebody was told")
			}
			receipts.Resolve(relay, outcome)
			if err := <-told; !errors.Is(err, outcome) {
				t.Errorf("resolved late: got %v, want %v", err, outcome)
			}
			noneLeft(t, &receipts)
		})
	}
}

func TestReceipts_WaitEndsWithTheCauseOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var receipts relayer.Receipts
		relay := &servicetypes.Relay{}
		receipt := receipts.Expect(relay)
		cause := errors.New("the client has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		told := make(chan error, 1)
		go func() { told <- receipt.Wait(ctx) }()
		synctest.Wait()
		cancel(cause)
		if err := <-told; !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
		noneLeft(t, &receipts)

		// The relay goes its way all the same, and nobody is held up by it.
		receipts.Resolve(relay, nil)
		noneLeft(t, &receipts)
	})
}

func TestReceipts_FirstResolutionCounts(t *testing.T) {
	var receipts relayer.Receipts
	relay := &servicetypes.Relay{}
	receipt := receipts.Expect(relay)
	receipts.Resolve(relay, errDisk)
	receipts.Resolve(relay, nil)
	if err := receipt.Wait(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want the first outcome", err)
	}
	noneLeft(t, &receipts)
}

func TestReceipts_IgnoreRelaysThatNobodyExpects(t *testing.T) {
	var receipts relayer.Receipts
	receipts.Resolve(&servicetypes.Relay{}, nil)
	receipts.Resolve(nil, errDisk)
	noneLeft(t, &receipts)

	// Relays are told apart by what they are, not by what is in them.
	expected := &servicetypes.Relay{}
	receipts.Expect(expected)
	receipts.Resolve(&servicetypes.Relay{}, nil)
	if pending := receipts.Pending(); pending != 1 {
		t.Errorf("%d receipts are pending, want 1", pending)
	}
}

func TestReceipts_ARelayCanBeExpectedAgain(t *testing.T) {
	var receipts relayer.Receipts
	relay := &servicetypes.Relay{}
	for _, outcome := range []error{errDisk, nil} {
		receipt := receipts.Expect(relay)
		receipts.Resolve(relay, outcome)
		if err := receipt.Wait(t.Context()); !errors.Is(err, outcome) {
			t.Errorf("got %v, want %v", err, outcome)
		}
	}
	noneLeft(t, &receipts)
}

func TestReceipts_DrainWaitsForTheMatchingRelaysOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var receipts relayer.Receipts
		mine, givenUp, other, later := &servicetypes.Relay{}, &servicetypes.Relay{}, &servicetypes.Relay{}, &servicetypes.Relay{}
		receipts.Expect(mine)
		leaving := receipts.Expect(givenUp)
		receipts.Expect(other)
		drained := make(chan error, 1)
		go func() {
			drained <- receipts.Drain(t.Context(), func(relay *servicetypes.Relay) bool { return relay != other })
		}()
		synctest.Wait()
		receipts.Expect(later) // published after Drain was called

		receipts.Resolve(mine, nil)
		synctest.Wait()
		if len(drained) != 0 {
			t.Fatal("Drain returned while a relay was on its way")
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := leaving.Wait(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		if err := <-drained; err != nil {
			t.Errorf("got %v", err)
		}
		if pending := receipts.Pending(); pending != 2 {
			t.Errorf("%d receipts are pending, want those of other and later", pending)
		}
	})
}

func TestReceipts_DrainOfNothingReturnsAtOnce(t *testing.T) {
	var receipts relayer.Receipts
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := receipts.Drain(gone, func(*servicetypes.Relay) bool { return true }); err != nil {
		t.Errorf("got %v", err)
	}
	receipts.Expect(&servicetypes.Relay{})
	if err := receipts.Drain(gone, func(*servicetypes.Relay) bool { return false }); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestReceipts_DrainEndsWithTheCauseOfItsContext(t *testing.T) {
	var receipts relayer.Receipts
	relay := &servicetypes.Relay{}
	receipts.Expect(relay)
	cause := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := receipts.Drain(ctx, func(*servicetypes.Relay) bool { return true }); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	if pending := receipts.Pending(); pending != 1 {
		t.Errorf("%d receipts are pending; Drain does not take them away", pending)
	}
}

// Some relays are resolved, some given up, some both at once. Each waiter is told
// something, and nothing stays behind.
func TestReceipts_ConcurrentUseLeavesNothingBehind(t *testing.T) {
	const relays = 300
	var receipts relayer.Receipts
	var wg sync.WaitGroup
	for i := range relays {
		relay := &servicetypes.Relay{}
		receipt := receipts.Expect(relay)
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			defer cancel()
			if err := receipt.Wait(ctx); err != nil && !errors.Is(err, errDisk) && !errors.Is(err, context.Canceled) {
				t.Errorf("relay %d: got %v", i, err)
			}
		})
		if i%3 != 0 {
			wg.Go(func() { receipts.Resolve(relay, errDisk) })
		}
		if i%3 != 1 {
			wg.Go(cancel)
		}
		if i%50 == 0 {
			wg.Go(func() {
				if err := receipts.Drain(t.Context(), func(*servicetypes.Relay) bool { return true }); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	noneLeft(t, &receipts)
}

func BenchmarkReceipts(b *testing.B) {
	var receipts relayer.Receipts
	relay := &servicetypes.Relay{}
	b.ReportAllocs()
	for b.Loop() {
		receipt := receipts.Expect(relay)
		receipts.Resolve(relay, nil)
		if err := receipt.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
