package async_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

func TestEach_CallsOnceForEveryNumberAndNoMoreAtATimeThanAllowed(t *testing.T) {
	for _, c := range []struct{ atOnce, n, rounds int }{
		{1, 5, 5}, {3, 7, 3}, {8, 2, 1}, {0, 2, 2}, {4, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := make([]atomic.Int64, c.n)
			began := time.Now()
			errs := async.Each(t.Context(), c.atOnce, c.n, func(_ context.Context, i int) error {
				calls[i].Add(1)
				time.Sleep(time.Second) // of the bubble
				return nil
			})
			if rounds := int(time.Since(began) / time.Second); len(errs) != 0 || rounds != c.rounds {
				t.Errorf("%d at once of %d: %d rounds, want %d; errors %v", c.atOnce, c.n, rounds, c.rounds, errs)
			}
			for i := range calls {
				if n := calls[i].Load(); n != 1 {
					t.Errorf("%d at once of %d: called %d times with %d", c.atOnce, c.n, n, i)
				}
			}
		})
	}
}

func TestEach_FailuresAndPanicsAreReturnedInOrderAndHoldUpNoOtherCall(t *testing.T) {
	var calls atomic.Int64
	errs := async.Each(t.Context(), 2, 10, func(_ context.Context, i int) error {
		calls.Add(1)
		switch {
		case i == 3:
			panic("third")
		case i%4 == 0:
			return fmt.Errorf("%d: %w", i, io.EOF)
		}
		return nil
	})
	var panicked *async.PanicError
	if len(errs) != 4 || calls.Load() != 10 {
		t.Fatalf("%d calls, errors %v", calls.Load(), errs)
	}
	if errs[0].Error() != "0: EOF" || !errors.As(errs[1], &panicked) || errs[3].Error() != "8: EOF" {
		t.Errorf("errors %v", errs)
	}
}

func TestEach_BeginsNoCallWhenItsContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var called []int
	errs := async.Each(ctx, 1, 10, func(ctx context.Context, i int) error {
		mu.Lock()
		defer mu.Unlock()
		if called = append(called, i); i == 2 {
			cancel()
		}
		return ctx.Err()
	})
	if !slices.Equal(called, []int{0, 1, 2}) || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("called with %v, errors %v", called, errs)
	}
}
