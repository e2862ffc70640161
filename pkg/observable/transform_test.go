package observable_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
)

func TestMap_KeepsOrder(t *testing.T) {
	leavesNothing(t)
	source := observable.NewSource[int](observable.WithBuffer(1000))
	publish(t, source, numbers(0, 1000)...)
	source.Close()
	twice := observable.Map(source, func(_ context.Context, v int) (int, error) { return 2 * v, nil })
	half := observable.Map(twice, func(_ context.Context, v int) (int, error) { return v / 2, nil })
	got, done := sink(half)
	if vs := drained(t, got, done); !slices.Equal(vs, numbers(0, 1000)) {
		t.Errorf("got %d values, or not in order", len(vs))
	}
}

// A function may fail, and may panic, at any item: the item is reported, no
// later stage sees it, and all others arrive. rxgo by itself stops the stage at
// the first error, one worker only if there is a pool, and dies of a panic.
func TestStages_AFailureCostsItsOwnItemOnly(t *testing.T) {
	fail := func(v int) error {
		switch v % 10 {
		case 3:
			return errBad
		case 7:
			panic(errBad)
		}
		return nil
	}
	type in = observable.Observable[int]
	cases := map[string]func(in, ...observable.Option) (*list[int], <-chan struct{}){
		"map": func(source in, opts ...observable.Option) (*list[int], <-chan struct{}) {
			return sink(observable.Map(source, func(_ context.Context, v int) (int, error) { return v, fail(v) }, opts...))
		},
		"map expand": func(source in, opts ...observable.Option) (*list[int], <-chan struct{}) {
			return sink(observable.MapExpand(source, func(_ context.Context, v int) ([]int, error) { return []int{v}, fail(v) }, opts...))
		},
		"for each": func(source in, opts ...observable.Option) (*list[int], <-chan struct{}) {
			handled := new(list[int])
			return handled, observable.ForEach(source, func(_ context.Context, v int) error {
				if err := fail(v); err != nil {
					return err
				}
				handled.add(v)
				return nil
			}, opts...)
		},
	}
	for kind, build := range cases {
		for pool, options := range map[string][]observable.Option{"sequential": nil, "pool": {observable.WithPool(4)}} {
			t.Run(kind+" "+pool, func(t *testing.T) {
				leavesNothing(t)
				reported, handle := reports()
				stats := new(observable.Stats)
				source := observable.NewSource[int]()
				handled, done := build(source, append(options, handle, observable.WithStats(stats), observable.WithName("stage"))...)
				publish(t, source, numbers(0, 1000)...)
				source.Close()
				got := drained(t, handled, done)
				slices.Sort(got)
				want := slices.DeleteFunc(numbers(0, 1000), func(v int) bool { return v%10 == 3 || v%10 == 7 })
				if !slices.Equal(got, want) {
					t.Errorf("%d items arrived, want the %d good ones", len(got), len(want))
				}
				checkReports(t, reported.all())
				if s := stats.Snapshot(); s.In != 1000 || s.Out != 800 || s.Errors != 100 || s.Panics != 100 || s.Dropped != 0 {
					t.Errorf("stats %+v, want 1000 in, 800 out, 100 errors, 100 panics", s)
				}
			})
		}
	}
}

// The place of a dropped item must not be taken for a nil value.
func TestStages_DoNotSeeWhatAnEarlierStageDropped(t *testing.T) {
	type in = observable.Observable[any]
	type build func(in, ...observable.Option) (*list[any], <-chan struct{})
	one := func(_ context.Context, v any) ([]any, error) { return []any{v}, nil }
	flat := func(_ context.Context, vs []any) ([]any, error) { return vs, nil }
	cases := map[string]build{
		"map": func(odd in, opts ...observable.Option) (*list[any], <-chan struct{}) {
			return sink(observable.Map(odd, identity[any], opts...))
		},
		"filter": func(odd in, opts ...observable.Option) (*list[any], <-chan struct{}) {
			return sink(observable.Filter(odd, func(any) bool { return true }, opts...))
		},
		"map expand": func(odd in, opts ...observable.Option) (*list[any], <-chan struct{}) {
			return sink(observable.MapExpand(odd, one, opts...))
		},
		"batch": func(odd in, opts ...observable.Option) (*list[any], <-chan struct{}) {
			return sink(observable.MapExpand(observable.Batch(odd, 2, 0, opts...), flat))
		},
		"shard": func(odd in, opts ...observable.Option) (*list[any], <-chan struct{}) {
			return sink(observable.Shard(odd, 1, func(any) uint64 { return 0 }, opts...)[0])
		},
		"merge": func(odd in, opts ...observable.Option) (*list[any], <-chan struct{}) {
			return sink(observable.Merge([]in{odd}, opts...))
		},
		"for each": sink[any],
	}
	for kind, build := range cases {
		t.Run(kind, func(t *testing.T) {
			leavesNothing(t)
			_, handle := reports()
			source := observable.NewSource[int]()
			odd := observable.Map(source, func(_ context.Context, v int) (any, error) {
				if v%2 == 0 {
					return nil, errBad
				}
				return v, nil
			}, handle)
			later, handleLater := reports()
			stats := new(observable.Stats)
			got, done := build(odd, observable.WithStats(stats), handleLater)
			publish(t, source, numbers(0, 10)...)
			source.Close()
			if vs, want := drained(t, got, done), []any{1, 3, 5, 7, 9}; !slices.Equal(vs, want) {
				t.Errorf("got %v, want %v", vs, want)
			}
			if s := stats.Snapshot(); s.In != 5 || s.Errors != 0 || len(later.all()) != 0 {
				t.Errorf("the later stage saw %+v and reported %v, want 5 in and no error", s, later.all())
			}
		})
	}
}

func checkReports(t *testing.T, all []report) {
	t.Helper()
	if len(all) != 200 {
		t.Errorf("%d reports, want 200", len(all))
	}
	seen := make(map[int]bool)
	for _, r := range all {
		v, ok := r.item.(int)
		var p *async.PanicError
		if !ok || r.name != "stage" || !errors.Is(r.err, errBad) || errors.As(r.err, &p) != (v%10 == 7) {
			t.Fatalf("report %+v, want the item in hand with its error", r)
		}
		if p != nil && !strings.Contains(string(p.Stack), "transform_test.go") {
			t.Fatalf("the stack does not show where the panic came from:\n%s", p.Stack)
		}
		seen[v] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d items reported, want 200", len(seen))
	}
}

func TestStages_ThePanicOfAnErrorHandlerIsCounted(t *testing.T) {
	leavesNothing(t)
	stats := new(observable.Stats)
	source := observable.NewSource[int]()
	mapped := observable.Map(source, func(_ context.Context, v int) (int, error) {
		if v == 0 {
			return 0, errBad
		}
		return v, nil
	}, observable.WithStats(stats), observable.WithErrorHandler(func(string, any, error) { panic("handler") }))
	got, done := sink(mapped)
	publish(t, source, 0, 1, 2)
	source.Close()
	if vs := drained(t, got, done); !slices.Equal(vs, []int{1, 2}) {
		t.Errorf("got %v, want [1 2]", vs)
	}
	if s := stats.Snapshot(); s.Errors != 1 || s.Panics != 1 {
		t.Errorf("stats %+v, want 1 error and 1 panic", s)
	}
}

func TestStages_PoolWorksOnItsNumberOfItemsAtATime(t *testing.T) {
	type work = func() error
	cases := map[string]func(observable.Observable[int], work) <-chan struct{}{
		"map": func(in observable.Observable[int], w work) <-chan struct{} {
			_, done := sink(observable.Map(in, func(context.Context, int) (int, error) { return 0, w() }, observable.WithPool(5)))
			return done
		},
		"map expand": func(in observable.Observable[int], w work) <-chan struct{} {
			_, done := sink(observable.MapExpand(in, func(context.Context, int) ([]int, error) { return nil, w() }, observable.WithPool(5)))
			return done
		},
		"filter": func(in observable.Observable[int], w work) <-chan struct{} {
			_, done := sink(observable.Filter(in, func(int) bool { return w() == nil }, observable.WithPool(5)))
			return done
		},
		"for each": func(in observable.Observable[int], w work) <-chan struct{} {
			return observable.ForEach(in, func(context.Context, int) error { return w() }, observable.WithPool(5))
		},
	}
	for kind, build := range cases {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var working atomic.Int64
				release := make(chan struct{})
				source := observable.NewSource[int]()
				done := build(source, func() error {
					working.Add(1)
					<-release
					return nil
				})
				publish(t, source, numbers(0, 20)...)
				source.Close()
				synctest.Wait()
				if n := working.Load(); n != 5 {
					t.Errorf("%d items are worked on at a time, want 5", n)
				}
				select {
				case <-done:
					t.Error("done is closed while items are worked on")
				default:
				}
				close(release)
				<-done
				if n := working.Load(); n != 20 {
					t.Errorf("%d items were worked on, want 20", n)
				}
			})
		})
	}
}

func TestMapExpand_ResultsFollowTheOrderOfTheItems(t *testing.T) {
	leavesNothing(t)
	stats := new(observable.Stats)
	source := observable.NewSource[int]()
	triangle := observable.MapExpand(source, func(_ context.Context, v int) ([]int, error) {
		return slices.Repeat([]int{v}, v), nil
	}, observable.WithStats(stats))
	got, done := sink(triangle)
	publish(t, source, 3, 0, 1, 2)
	source.Close()
	if vs, want := drained(t, got, done), []int{3, 3, 3, 1, 2, 2}; !slices.Equal(vs, want) {
		t.Errorf("got %v, want %v", vs, want)
	}
	if s := stats.Snapshot(); s.In != 4 || s.Out != 6 {
		t.Errorf("stats %+v, want 4 in, 6 out", s)
	}
}

func TestFilter_PassesWhatIsKeptAndCountsTheRest(t *testing.T) {
	leavesNothing(t)
	reported, handle := reports()
	stats := new(observable.Stats)
	source := observable.NewSource[int]()
	odd := observable.Filter(source, func(v int) bool {
		if v == 5 {
			panic(errBad)
		}
		return v%2 == 1
	}, observable.WithStats(stats), handle)
	got, done := sink(odd)
	publish(t, source, numbers(0, 10)...)
	source.Close()
	if vs, want := drained(t, got, done), []int{1, 3, 7, 9}; !slices.Equal(vs, want) {
		t.Errorf("got %v, want %v", vs, want)
	}
	if s := stats.Snapshot(); s.In != 10 || s.Out != 4 || s.Panics != 1 || s.Errors != 0 {
		t.Errorf("stats %+v, want 10 in, 4 out, 1 panic", s)
	}
	if all := reported.all(); len(all) != 1 || all[0].item != 5 {
		t.Errorf("reported %v, want item 5", all)
	}
}

// Handing a context to rxgo loses what is in flight when it is cancelled.
func TestWithContext_CancellingTheWorkLosesNoItemOfTheAccount(t *testing.T) {
	leavesNothing(t)
	const n = 2000
	ctx, cancel := context.WithCancel(t.Context())
	reported, handle := reports()
	mapStats, endStats := new(observable.Stats), new(observable.Stats)
	source := observable.NewSource[int]()
	mapped := observable.Map(source, func(ctx context.Context, v int) (int, error) {
		if v == n/2 {
			cancel()
		}
		return v, ctx.Err()
	}, observable.WithContext(ctx), observable.WithStats(mapStats), handle)
	var handled atomic.Int64
	done := observable.ForEach(mapped, func(ctx context.Context, v int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		handled.Add(1)
		return nil
	}, observable.WithContext(ctx), observable.WithStats(endStats), handle)
	publish(t, source, numbers(0, n)...)
	source.Close()
	await(t, "the end of the pipeline", done)

	m, e := mapStats.Snapshot(), endStats.Snapshot()
	if m.In != n || m.Out+m.Errors != n || m.Errors != n/2 {
		t.Errorf("map %+v, want %d in, half of them failed", m, n)
	}
	if e.In != m.Out || e.Out+e.Errors != e.In || int64(e.Out) != handled.Load() {
		t.Errorf("end %+v after map %+v, %d handled", e, m, handled.Load())
	}
	for _, r := range reported.all() {
		if !errors.Is(r.err, context.Canceled) || r.item == nil {
			t.Fatalf("reported %+v, want the item and the cancellation", r)
		}
	}
	if all := len(reported.all()); all+int(handled.Load()) != n {
		t.Errorf("%d reported and %d handled of %d", all, handled.Load(), n)
	}
}
