package observable_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/observable"
)

// rxgo's BufferWithTimeOrCount was seen to make slices of thousands for n = 1.
func TestBatch_NeverExceedsItsSizeNorLosesAnItem(t *testing.T) {
	const items = 100_000
	for _, n := range []int{-1, 1, 8, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			leavesNothing(t)
			stats := new(observable.Stats)
			source := observable.NewSource[int]()
			var next, largest, smallest, batches int
			smallest = math.MaxInt
			done := observable.ForEach(observable.Batch(source, n, time.Millisecond, observable.WithStats(stats)), func(_ context.Context, vs []int) error {
				batches++
				largest, smallest = max(largest, len(vs)), min(smallest, len(vs))
				for _, v := range vs {
					if v != next {
						t.Errorf("got %d, want %d", v, next)
					}
					next++
				}
				return nil
			})
			publish(t, source, numbers(0, items)...)
			source.Close()
			await(t, "the end of the pipeline", done)
			if next != items || largest > max(n, 1) || smallest < 1 {
				t.Errorf("%d items in batches of %d to %d, want %d in batches of 1 to %d", next, smallest, largest, items, max(n, 1))
			}
			if s := stats.Snapshot(); s.In != items || s.Out != uint64(batches) {
				t.Errorf("stats %+v, want %d in, %d out", s, items, batches)
			}
		})
	}
}

// arrival is a batch and the time at which it came.
type arrival struct {
	at    time.Duration
	batch []int
}

func (a arrival) String() string { return fmt.Sprintf("%v at %v", a.batch, a.at) }

func TestBatch_IsPassedOnWhenFullWhenOldAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := observable.NewSource[int]()
		began := time.Now()
		var got []arrival
		done := observable.ForEach(observable.Batch(source, 3, time.Second), func(_ context.Context, vs []int) error {
			got = append(got, arrival{time.Since(began), vs})
			return nil
		})
		at := func(when time.Duration, vs ...int) {
			<-time.After(time.Until(began.Add(when)))
			publish(t, source, vs...)
		}
		at(0, 1)
		at(900*time.Millisecond, 2) // does not put the first item's time off
		at(2000*time.Millisecond, 3)
		at(2900*time.Millisecond, 4, 5) // full
		at(2950*time.Millisecond, 6)    // has a second of its own
		at(5000*time.Millisecond, 7, 8, 9, 10)
		at(5500*time.Millisecond, 11)
		source.Close()
		<-done
		want := []arrival{
			{1000 * time.Millisecond, []int{1, 2}},
			{2900 * time.Millisecond, []int{3, 4, 5}},
			{3950 * time.Millisecond, []int{6}},
			{5000 * time.Millisecond, []int{7, 8, 9}},
			{5500 * time.Millisecond, []int{10, 11}},
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

func TestBatch_WithoutALimitOfTimeWaitsUntilFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := observable.NewSource[int]()
		got, done := sink(observable.Batch(source, 2, 0))
		publish(t, source, 1, 2, 3)
		<-time.After(1000 * time.Hour)
		if n := len(got.all()); n != 1 {
			t.Errorf("%d batches, want the full one", n)
		}
		source.Close()
		<-done
		if all := got.all(); len(all) != 2 || !slices.Equal(all[1], []int{3}) {
			t.Errorf("got %v, want the rest at the end", all)
		}
	})
}

func TestBatch_SlicesBelongToTheReceiver(t *testing.T) {
	leavesNothing(t)
	source := observable.NewSource[int]()
	var kept [][]int
	done := observable.ForEach(observable.Batch(source, 2, 0), func(_ context.Context, vs []int) error {
		kept = append(kept, vs)
		return nil
	})
	publish(t, source, 1, 2, 3, 4)
	source.Close()
	await(t, "the end of the pipeline", done)
	if fmt.Sprint(kept) != "[[1 2] [3 4]]" {
		t.Errorf("kept %v: later items were written into an earlier slice", kept)
	}
}
