package observable_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactivex/rxgo/v2"

	"github.com/seed52205347/relayminer/pkg/observable"
)

func TestObserve_SecondConsumerPanicsWhileWiring(t *testing.T) {
	leavesNothing(t)
	name := observable.WithName("blocks")
	source := func() observable.Observable[int] { return observable.NewSource[int](name) }
	cases := map[string]observable.Observable[int]{
		"source": source(),
		"map":    observable.Map(source(), identity[int], name),
		"shard":  observable.Shard(source(), 2, func(int) uint64 { return 0 }, name)[1],
		"merge":  observable.Merge([]observable.Observable[int]{source()}, name),
	}
	cases["subscription"], _ = observable.NewReplay[int](1).Subscribe(name)
	for kind, in := range cases {
		t.Run(kind, func(t *testing.T) {
			observable.Filter(in, func(int) bool { return true })
			second := map[string]func(){
				"stage": func() { observable.Map(in, identity[int]) },
				"end":   func() { sink(in) },
				"raw":   func() { in.Observe() },
			}
			for what, consume := range second {
				func() {
					defer func() {
						if message := fmt.Sprint(recover()); !strings.Contains(message, `"blocks"`) || !strings.Contains(message, "consumer") {
							t.Errorf("second consumer (%s): recovered %q, want a panic naming the stream", what, message)
						}
					}()
					consume()
				}()
			}
		})
	}
}

// defined is how a package gives a stream of its own a name.
type defined observable.Observable[int]

func TestObservable_DefinedTypesPassThroughStages(t *testing.T) {
	leavesNothing(t)
	source := observable.NewSource[int]()
	var in defined = source
	var mapped defined = observable.Map(in, identity[int])
	got, done := sink(observable.Batch(mapped, 2, 0)) // of mapped's own element type
	publish(t, source, 1, 2, 3)
	source.Close()
	if vs := drained(t, got, done); !reflect.DeepEqual(vs, [][]int{{1, 2}, {3}}) {
		t.Errorf("got %v", vs)
	}
}

func TestObserve_NothingRunsWithoutAConsumer(t *testing.T) {
	leavesNothing(t) // though no source is ever closed
	source := observable.NewSource[int]()
	mapped := observable.Map(source, identity[int], observable.WithPool(3))
	expanded := observable.MapExpand(mapped, func(_ context.Context, v int) ([]int, error) { return []int{v}, nil })
	merged := observable.Merge([]observable.Observable[int]{expanded, observable.NewSource[int]()})
	shards := observable.Shard(merged, 2, func(v int) uint64 { return uint64(v) })
	observable.Batch(shards[0], 2, time.Millisecond)
	subscribed, _ := observable.NewReplay[int](1).Subscribe()
	observable.Filter(subscribed, func(int) bool { return true }).Observe()
	publish(t, source, 1, 2, 3)
}

func TestObserve_RawStreamCarriesValuesOnly(t *testing.T) {
	leavesNothing(t)
	source := observable.NewSource[int]()
	odd := observable.Map(source, func(_ context.Context, v int) (int, error) {
		if v%2 == 0 {
			return 0, errBad
		}
		return v, nil
	}, observable.WithErrorHandler(func(string, any, error) {}))
	publish(t, source, numbers(0, 10)...)
	source.Close()
	var got []int
	for item := range odd.Observe().Observe() {
		v, ok := odd.Value(item)
		if !ok {
			t.Errorf("raw stream carries %+v", item)
		}
		got = append(got, v)
	}
	if want := []int{1, 3, 5, 7, 9}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if v, ok := odd.Value(rxgo.Of("text")); ok {
		t.Errorf("Value took text for the number %d", v)
	}
}

func TestObserve_SecondSubscriptionOfTheRawStreamIsToldInsteadOfSplittingIt(t *testing.T) {
	leavesNothing(t)
	source := observable.NewSource[int]()
	raw := source.Observe()
	first := raw.Observe()
	publish(t, source, 0)
	await(t, "the first item", first)
	var told []error
	for item := range raw.Observe() {
		told = append(told, item.E)
	}
	if len(told) != 1 || !errors.Is(told[0], observable.ErrObserved) {
		t.Errorf("second subscription got %v, want ErrObserved", told)
	}
	publish(t, source, numbers(1, 50)...)
	source.Close()
	var got []int
	for item := range first {
		got = append(got, item.V.(int))
	}
	if !slices.Equal(got, numbers(1, 50)) {
		t.Errorf("first subscription got %v, want all", got)
	}
}

func TestObserve_RawReaderThatCancelsLeavesNobodyWaiting(t *testing.T) {
	leavesNothing(t)
	stats := new(observable.Stats)
	source := observable.NewSource[int](observable.WithBuffer(0))
	mapped := observable.Map(source, identity[int], observable.WithBuffer(0), observable.WithStats(stats))
	ctx, cancel := context.WithCancel(t.Context())
	items := mapped.Observe().Observe(rxgo.WithContext(ctx), rxgo.WithBufferedChannel(0))
	publish(t, source, 0)
	await(t, "the first item", items)
	cancel()
	publish(t, source, numbers(1, 100)...)
	source.Close()
	await(t, "completion", items)
	for range items {
		t.Error("an item after completion")
	}
	if s := stats.Snapshot(); s.Out != 100 || s.Dropped != 99 {
		t.Errorf("stats %+v, want 100 out and 99 dropped of them", s)
	}
}

// foreign is an Observable from outside the package.
type foreign struct{ items []rxgo.Item }

func (f foreign) Observe() rxgo.Observable {
	ch := make(chan rxgo.Item, len(f.items))
	for _, item := range f.items {
		ch <- item
	}
	close(ch)
	return rxgo.FromChannel(ch)
}

func (f foreign) Value(item rxgo.Item) (int, bool) {
	v, ok := item.V.(int)
	return v, ok
}

func TestStages_ReportWhatAForeignStreamShouldNotCarry(t *testing.T) {
	in := foreign{[]rxgo.Item{rxgo.Of(1), rxgo.Error(errBad), rxgo.Of("two"), rxgo.Of(nil), rxgo.Of(3)}}
	cases := map[string]func(handle observable.Option, stats observable.Option) (*list[int], <-chan struct{}){
		"for each": func(handle, stats observable.Option) (*list[int], <-chan struct{}) {
			return sink(in, handle, stats)
		},
		"for each with pool": func(handle, stats observable.Option) (*list[int], <-chan struct{}) {
			return sink(in, handle, stats, observable.WithPool(2))
		},
		"map": func(handle, stats observable.Option) (*list[int], <-chan struct{}) {
			return sink(observable.Map(in, identity[int], handle, stats), handle, stats)
		},
		"filter": func(handle, stats observable.Option) (*list[int], <-chan struct{}) {
			return sink(observable.Filter(in, func(int) bool { return true }, handle, stats), handle, stats)
		},
		"map expand": func(handle, stats observable.Option) (*list[int], <-chan struct{}) {
			single := func(_ context.Context, v int) ([]int, error) { return []int{v}, nil }
			return sink(observable.MapExpand(in, single, handle, stats))
		},
		"batch": func(handle, stats observable.Option) (*list[int], <-chan struct{}) {
			flat := func(_ context.Context, vs []int) ([]int, error) { return vs, nil }
			return sink(observable.MapExpand(observable.Batch(in, 10, 0, handle, stats), flat))
		},
		"shard": func(handle, stats observable.Option) (*list[int], <-chan struct{}) {
			return sink(observable.Shard(in, 1, func(int) uint64 { return 0 }, handle, stats)[0])
		},
		"merge": func(handle, stats observable.Option) (*list[int], <-chan struct{}) {
			return sink(observable.Merge([]observable.Observable[int]{in}, handle, stats), handle, stats)
		},
	}
	for kind, build := range cases {
		t.Run(kind, func(t *testing.T) {
			leavesNothing(t)
			reported, handle := reports()
			stats := new(observable.Stats)
			handled, done := build(handle, observable.WithStats(stats))
			got := drained(t, handled, done)
			slices.Sort(got)
			if !slices.Equal(got, []int{1, 3}) {
				t.Errorf("got %v, want the two numbers", got)
			}
			var items []string
			for _, r := range reported.all() {
				items = append(items, fmt.Sprint(r.item))
				if r.item == nil && !errors.Is(r.err, errBad) && !strings.Contains(r.err.Error(), "not a int") {
					t.Errorf("reported %+v", r)
				}
			}
			slices.Sort(items)
			if want := []string{"<nil>", "<nil>", "two"}; !slices.Equal(items, want) || stats.Snapshot().Errors != 3 {
				t.Errorf("reported %v, stats %+v, want %v, 3 errors", items, stats.Snapshot(), want)
			}
		})
	}
}

// throughEverything sends vs through one stage of each kind.
func throughEverything[T any](t *testing.T, vs []T) []T {
	t.Helper()
	leavesNothing(t)
	replay := observable.NewReplay[T](len(vs))
	publish(t, replay, vs...)
	replay.Close()
	subscribed, _ := replay.Subscribe()
	var in observable.Observable[T] = observable.Map(subscribed, identity[T])
	in = observable.Filter(in, func(T) bool { return true })
	in = observable.Merge([]observable.Observable[T]{in})
	in = observable.Shard(in, 1, func(T) uint64 { return 0 })[0]
	batches := observable.Batch(in, 2, 0)
	in = observable.MapExpand(batches, func(_ context.Context, vs []T) ([]T, error) { return vs, nil })
	got, done := sink(in)
	return drained(t, got, done)
}

type payload struct {
	a int
	b string
}

func TestStages_CarryValuesOfEveryKind(t *testing.T) {
	p := &payload{1, "x"}
	ch := make(chan int)
	check := func(name string, run func(t *testing.T) (got, want any)) {
		t.Run(name, func(t *testing.T) {
			if got, want := run(t); !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	check("pointers and nil pointers", func(t *testing.T) (any, any) {
		vs := []*payload{p, nil, p, nil}
		return throughEverything(t, vs), vs
	})
	check("structs", func(t *testing.T) (any, any) {
		vs := []payload{{1, "x"}, {}, {2, "y"}}
		return throughEverything(t, vs), vs
	})
	check("interfaces, nil and typed nil", func(t *testing.T) (any, any) {
		vs := []any{1, nil, "x", (*payload)(nil), nil}
		return throughEverything(t, vs), vs
	})
	check("errors as values", func(t *testing.T) (any, any) {
		vs := []error{errBad, nil, errBad}
		return throughEverything(t, vs), vs
	})
	check("slices and nil slices are not flattened", func(t *testing.T) (any, any) {
		vs := [][]byte{{1, 2}, nil, {}, {3}}
		return throughEverything(t, vs), vs
	})
	check("channels are not read", func(t *testing.T) (any, any) {
		vs := []chan int{ch, nil, ch}
		return throughEverything(t, vs), vs
	})
}

// In rxgo the options of an operator are handed up and override those of the
// operators before it.
func TestStages_KeepTheirOwnBufferAndPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		first, second := new(observable.Stats), new(observable.Stats)
		source := observable.NewSource[int]()
		a := observable.Map(source, identity[int], observable.WithBuffer(7), observable.WithPool(3), observable.WithStats(first))
		b := observable.Map(a, identity[int], observable.WithBuffer(2), observable.WithStats(second))
		done := observable.ForEach(b, func(context.Context, int) error { <-release; return nil })
		publish(t, source, numbers(0, 100)...)
		synctest.Wait()
		// The end holds 1 item; b has 2 in its buffer and 1 in hand; a has 7 in
		// its buffer and 3 in hand, one per worker.
		if s := first.Snapshot(); s.Queue != 7 || s.In != 14 {
			t.Errorf("first stage %+v, want a queue of 7 and 14 in", s)
		}
		if s := second.Snapshot(); s.Queue != 2 || s.In != 4 {
			t.Errorf("second stage %+v, want a queue of 2 and 4 in", s)
		}
		source.Close()
		close(release)
		<-done
		if s := second.Snapshot(); s.Queue != 0 || s.Out != 100 {
			t.Errorf("second stage at the end %+v, want an empty queue and 100 out", s)
		}
	})
}
