package observable_test

import (
	"context"
	"testing"
	"time"

	"github.com/reactivex/rxgo/v2"

	"github.com/seed52205347/relayminer/pkg/observable"
)

const benchBuffer = 1024

type benchItem struct{ n int }

func bump(v *benchItem) *benchItem { v.n++; return v }

// benchItems returns more items than the pipelines can hold, so that no item is
// in two stages at once and the benchmark itself allocates nothing.
func benchItems() []*benchItem {
	vs := make([]*benchItem, 8*benchBuffer)
	for i := range vs {
		vs[i] = new(benchItem)
	}
	return vs
}

// BenchmarkPipeline compares three stages, Map, Map, ForEach, of this package
// with the same made of rxgo alone and of plain channels.
func BenchmarkPipeline(b *testing.B) {
	b.Run("facade", benchFacade)
	b.Run("rxgo", benchRxgo)
	b.Run("channels", benchChannels)
}

func benchFacade(b *testing.B) {
	vs := benchItems()
	buffer := observable.WithBuffer(benchBuffer)
	source := observable.NewSource[*benchItem](buffer)
	step := func(_ context.Context, v *benchItem) (*benchItem, error) { return bump(v), nil }
	mapped := observable.Map(observable.Map(source, step, buffer), step, buffer)
	done := observable.ForEach(mapped, func(_ context.Context, v *benchItem) error { bump(v); return nil }, buffer)
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := source.Publish(ctx, vs[i%len(vs)]); err != nil {
			b.Fatal(err)
		}
	}
	source.Close()
	<-done
}

func benchRxgo(b *testing.B) {
	vs := benchItems()
	buffer := rxgo.WithBufferedChannel(benchBuffer)
	in := make(chan rxgo.Item, benchBuffer)
	step := func(_ context.Context, v any) (any, error) { return bump(v.(*benchItem)), nil }
	done := rxgo.FromChannel(in).Map(step, buffer).Map(step, buffer).
		ForEach(func(v any) { bump(v.(*benchItem)) }, func(error) {}, func() {}, buffer)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		in <- rxgo.Of(vs[i%len(vs)])
	}
	close(in)
	<-done
}

func benchChannels(b *testing.B) {
	vs := benchItems()
	stage := func(in <-chan *benchItem) <-chan *benchItem {
		out := make(chan *benchItem, benchBuffer)
		go func() {
			defer close(out)
			for v := range in {
				out <- bump(v)
			}
		}()
		return out
	}
	in := make(chan *benchItem, benchBuffer)
	last, done := stage(stage(in)), make(chan struct{})
	go func() {
		defer close(done)
		for v := range last {
			bump(v)
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		in <- vs[i%len(vs)]
	}
	close(in)
	<-done
}

// BenchmarkBatched shows what is left of the cost per item when items travel
// in batches.
func BenchmarkBatched(b *testing.B) {
	vs := benchItems()
	buffer := observable.WithBuffer(benchBuffer)
	source := observable.NewSource[*benchItem](buffer)
	batches := observable.Batch(source, 64, time.Second, buffer)
	step := func(_ context.Context, vs []*benchItem) ([]*benchItem, error) {
		for _, v := range vs {
			bump(v)
		}
		return vs, nil
	}
	done := observable.ForEach(observable.Map(observable.Map(batches, step), step), func(context.Context, []*benchItem) error { return nil })
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := source.Publish(ctx, vs[i%len(vs)]); err != nil {
			b.Fatal(err)
		}
	}
	source.Close()
	<-done
}

// BenchmarkReplay publishes to two subscribers.
func BenchmarkReplay(b *testing.B) {
	vs := benchItems()
	replay := observable.NewReplay[*benchItem](16)
	var dones []<-chan struct{}
	for range 2 {
		values, _ := replay.Subscribe(observable.WithBuffer(benchBuffer))
		dones = append(dones, observable.ForEach(values, func(context.Context, *benchItem) error { return nil }))
	}
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := replay.Publish(ctx, vs[i%len(vs)]); err != nil {
			b.Fatal(err)
		}
	}
	replay.Close()
	for _, done := range dones {
		<-done
	}
}
