package observable_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/observable"
)

func TestSource_WhatWasAcceptedIsHandledBeforeDoneCloses(t *testing.T) {
	leavesNothing(t)
	for round := range 50 {
		source := observable.NewSource[int](observable.WithBuffer(round % 5))
		var handled, accepted atomic.Int64
		done := observable.ForEach(source, func(context.Context, int) error {
			handled.Add(1)
			return nil
		})
		var publishers sync.WaitGroup
		for i := range 4 {
			publishers.Go(func() {
				for {
					if err := source.Publish(context.Background(), i); err != nil {
						if !errors.Is(err, observable.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if accepted.Add(1) == 200 {
						go source.Close()
					}
				}
			})
		}
		await(t, "the end of the pipeline", done)
		after := handled.Load()
		publishers.Wait()
		if accepted.Load() != after || source.Stats().In != uint64(after) {
			t.Fatalf("accepted %d, counted %d, handled %d", accepted.Load(), source.Stats().In, after)
		}
	}
}

func TestSource_CloseReleasesBlockedPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := observable.NewSource[int](observable.WithBuffer(1), observable.WithName("relays"))
		publish(t, source, 1)
		refused := make(chan error, 3)
		for range cap(refused) {
			go func() { refused <- source.Publish(context.Background(), 2) }()
		}
		synctest.Wait()
		if n := len(refused); n != 0 {
			t.Fatalf("%d publishers did not wait for room", n)
		}
		<-time.After(time.Minute)
		source.Close()
		source.Close()
		for range cap(refused) {
			if err := <-refused; !errors.Is(err, observable.ErrClosed) {
				t.Errorf("blocked Publish: %v, want ErrClosed", err)
			}
		}
		got, done := sink(source)
		<-done
		if !slices.Equal(got.all(), []int{1}) {
			t.Errorf("handled %v, want the accepted value only", got.all())
		}
		stats := source.Stats()
		if stats.In != 1 || stats.Waits != 3 || stats.Waited != 3*time.Minute {
			t.Errorf("stats %+v, want 1 in, 3 waits of a minute each", stats)
		}
	})
}

func TestSource_PublishGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := observable.NewSource[int](observable.WithBuffer(1))
		publish(t, source, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := source.Publish(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Publish: %v, want DeadlineExceeded", err)
		}
		if stats := source.Stats(); stats.In != 1 || stats.Dropped != 1 || stats.Queue != 1 || source.Len() != 1 {
			t.Errorf("stats %+v, want 1 in, 1 dropped, 1 queued", stats)
		}
		source.Close()
		got, done := sink(source)
		<-done
		if !slices.Equal(got.all(), []int{1}) {
			t.Errorf("handled %v, want [1]", got.all())
		}
	})
}

func TestSource_PublishAcceptsWhereThereIsRoomThoughItsContextIsDone(t *testing.T) {
	source := observable.NewSource[int]()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := source.Publish(ctx, 1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSource_TryPublishRefusesAndCountsWhatHasNoRoom(t *testing.T) {
	leavesNothing(t)
	source := observable.NewSource[int](observable.WithBuffer(2))
	var full int
	for i := range 5 {
		switch err := source.TryPublish(i); {
		case errors.Is(err, observable.ErrFull):
			full++
		case err != nil:
			t.Fatal(err)
		}
	}
	if stats := source.Stats(); full != 3 || stats.Dropped != 3 || stats.In != 2 {
		t.Errorf("%d refused, stats %+v, want 3 refused and dropped, 2 in", full, stats)
	}
	source.Close()
	if err := source.TryPublish(9); !errors.Is(err, observable.ErrClosed) {
		t.Errorf("TryPublish: %v, want ErrClosed", err)
	}
	if err := source.Publish(t.Context(), 9); !errors.Is(err, observable.ErrClosed) {
		t.Errorf("Publish: %v, want ErrClosed", err)
	}
	got, done := sink(source)
	if vs := drained(t, got, done); !slices.Equal(vs, []int{0, 1}) {
		t.Errorf("handled %v, want [0 1]", vs)
	}
	if stats := source.Stats(); stats.Dropped != 3 {
		t.Errorf("refusals of a closed source count as dropped: %+v", stats)
	}
}
