package observable_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/observable"
)

func TestMain(m *testing.M) {
	// Stages without an error handler log what they drop.
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	m.Run()
}

// rxgo keeps a goroutine per completed pipeline when it is given contexts.
func TestPipelines_HundredCompletedOnesLeaveNoGoroutine(t *testing.T) {
	leavesNothing(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel() // only after the goroutines were counted
	before := runtime.NumGoroutine()
	for i := range 100 {
		replay := observable.NewReplay[*keyed](2)
		values, unsubscribe := replay.Subscribe()
		source := observable.NewSource[*keyed]()
		merged := observable.Merge([]observable.Observable[*keyed]{values, source})
		mapped := observable.Map(merged, func(_ context.Context, v *keyed) (*keyed, error) {
			if v.seq == 3 {
				return nil, errBad
			}
			return v, nil
		}, observable.WithContext(ctx), observable.WithPool(1+i%3))
		var dones []<-chan struct{}
		for _, shard := range observable.Shard(mapped, 3, keyOf, observable.WithContext(ctx)) {
			done := observable.ForEach(observable.Batch(shard, 4, time.Hour, observable.WithContext(ctx)),
				func(context.Context, []*keyed) error { return nil }, observable.WithContext(ctx))
			dones = append(dones, done)
		}
		for seq := range 5 {
			publish(t, source, &keyed{uint64(seq), seq})
			publish(t, replay, &keyed{uint64(seq), seq})
		}
		if i%2 == 0 {
			unsubscribe()
		}
		replay.Close()
		source.Close()
		for _, done := range dones {
			await(t, "the end of a pipeline", done)
		}
	}
	// The last goroutines may still be on their way out.
	deadline := time.After(patience)
	for runtime.NumGoroutine() > before {
		select {
		case <-deadline:
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		default:
			runtime.Gosched()
		}
	}
}

// Each stage's account balances with that of the next, whatever fails where.
func TestPipeline_AccountsForEveryItem(t *testing.T) {
	leavesNothing(t)
	const publishers, each = 4, 2500
	misbehave := func(v *keyed, at int) error {
		switch (int(v.key)*31 + v.seq*17 + at*5) % 23 {
		case 0:
			return fmt.Errorf("item %d of %d: %w", v.seq, v.key, errBad)
		case 1:
			panic(v)
		}
		return nil
	}
	var reported atomic.Uint64
	handle := observable.WithErrorHandler(func(_ string, item any, _ error) {
		if _, ok := item.(*keyed); ok {
			reported.Add(1)
		}
	})
	stats := make([]*observable.Stats, 5)
	for i := range stats {
		stats[i] = new(observable.Stats)
	}
	source := observable.NewSource[*keyed](observable.WithStats(stats[0]))
	mapped := observable.Map(source, func(_ context.Context, v *keyed) (*keyed, error) { return v, misbehave(v, 1) },
		handle, observable.WithStats(stats[1]), observable.WithPool(3))
	kept := observable.Filter(mapped, func(v *keyed) bool { return misbehave(v, 2) == nil }, handle, observable.WithStats(stats[2]))
	shards := observable.Shard(kept, 2, func(v *keyed) uint64 {
		if err := misbehave(v, 3); err != nil {
			panic(err)
		}
		return v.key
	}, handle, observable.WithStats(stats[3]))
	var dones []<-chan struct{}
	for _, shard := range shards {
		dones = append(dones, observable.ForEach(shard, func(_ context.Context, v *keyed) error { return misbehave(v, 4) },
			handle, observable.WithStats(stats[4])))
	}
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for seq := range each {
				if err := source.Publish(t.Context(), &keyed{uint64(p), seq}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	source.Close()
	for _, done := range dones {
		await(t, "the end of the pipeline", done)
	}
	var failed, passed uint64 = 0, publishers * each
	for i, stage := range stats {
		s := stage.Snapshot()
		rejected := s.In - s.Out - s.Errors - s.Panics
		if s.In != passed || s.Dropped != 0 || s.Queue != 0 || (i != 2 && rejected != 0) {
			t.Errorf("stage %d: %+v, after %d from the stage before", i, s, passed)
		}
		if i > 0 && (s.Panics == 0 || s.Out == 0) {
			t.Errorf("stage %d saw no panic or let nothing through: %+v", i, s)
		}
		passed, failed = s.Out, failed+s.Errors+s.Panics
	}
	if reported.Load() != failed {
		t.Errorf("%d items reported, %d counted as failed", reported.Load(), failed)
	}
}
