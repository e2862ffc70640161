package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestAppend_RefusesBeyondTheBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		opts Options
		size int
		fit  int // leaves of size that fit
		warn int // leaves at which the store begins to say that it is busy
	}{
		{"number", Options{QueueLen: 80}, 10, 80, 70},
		{"bytes", Options{MaxQueueBytes: 100 * (1000 + opOverhead)}, 1000, 100, 88},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir(), c.opts)
			release := blockCommitter(t, s)
			var done atomic.Int64
			count := func(error) { done.Add(1) }
			for i := range c.fit {
				if err := s.AcceptingErr(); errors.Is(err, ErrBusy) != (i >= c.warn) {
					t.Fatalf("with %d leaves: %v", i, err)
				}
				if err := s.Append(session(1), leaf(i, c.size), count); err != nil {
					t.Fatalf("leaf %d: %v", i, err)
				}
			}
			if err := s.Append(session(1), leaf(c.fit, c.size), count); !errors.Is(err, ErrBusy) {
				t.Fatalf("one more: %v", err)
			}
			if m := s.Metrics(); m.QueueLen != int64(c.fit) || m.QueueBytes != int64(c.fit*(c.size+opOverhead)) {
				t.Fatalf("metrics %+v", m)
			}
			// Records have a way of their own.
			record := make(chan error, 1)
			go func() { record <- s.PutRecord(session(1), []byte("record")) }()
			release()
			if err := wait(t, record); err != nil {
				t.Fatal(err)
			}
			if err := s.Sync(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := done.Load(); got != int64(c.fit) {
				t.Fatalf("done was called %d times, want %d", got, c.fit)
			}
			if err := s.AcceptingErr(); err != nil {
				t.Fatal(err)
			}
			if m := s.Metrics(); m.QueueLen != 0 || m.QueueBytes != 0 {
				t.Fatalf("metrics %+v", m)
			}
			mustPut(t, s, session(1), leaf(c.fit, c.size))
		})
	}
}

func TestAppend_DoneExactlyOnceUnderConcurrency(t *testing.T) {
	for _, durability := range []Durability{Reply, Interval} {
		t.Run(durability.String(), func(t *testing.T) {
			const writers, each = 16, 400
			s := open(t, t.TempDir(), Options{Durability: durability, QueueLen: 200, MemTableBytes: mib})
			calls := make([]atomic.Int64, writers*each)
			var taken, refused atomic.Int64
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := w * each; i < (w+1)*each; i++ {
						err := s.Append(session(w), leaf(i, 500), func(err error) {
							if err != nil {
								t.Errorf("leaf %d: %v", i, err)
							}
							calls[i].Add(1)
						})
						switch {
						case err == nil:
							taken.Add(1)
						case errors.Is(err, ErrBusy):
							refused.Add(1)
							calls[i].Add(1) // expect no call
							if err := s.Sync(context.Background()); err != nil {
								t.Error(err)
							}
						default:
							t.Error(err)
						}
						if i%100 == 0 {
							if _, err := s.Count(session(w)); err != nil {
								t.Error(err)
							}
							if err := s.PutRecord(session(w), []byte("r")); err != nil {
								t.Error(err)
							}
							s.Metrics()
							_ = s.AcceptingErr()
						}
					}
				})
			}
			wg.Wait()
			if err := s.Sync(context.Background()); err != nil {
				t.Fatal(err)
			}
			for i := range calls {
				if n := calls[i].Load(); n != 1 {
					t.Fatalf("leaf %d: done was called %d times", i, n)
				}
			}
			var stored int64
			for w := range writers {
				stored += int64(len(indexes(t, mustCollect(t, s, session(w)))))
			}
			if stored != taken.Load() {
				t.Fatalf("%d leaves stored, %d taken, %d refused", stored, taken.Load(), refused.Load())
			}
		})
	}
}

func TestAppend_WithoutDone(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if err := s.Append(session(1), leaf(1, 10), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Count(session(1)); n != 1 || err != nil {
		t.Fatalf("%d leaves, %v", n, err)
	}
}

// Sync covers what was appended before it, and nothing has to be appended.
func TestSync_IsABarrier(t *testing.T) {
	s := open(t, t.TempDir(), Options{Durability: Interval, Interval: 1 << 40})
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	var done atomic.Int64
	for i := range 1000 {
		if err := s.Append(session(1), leaf(i, 10), func(error) { done.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := done.Load(); n != 1000 {
		t.Fatalf("%d of 1000 were acknowledged before the barrier", n)
	}
	release := blockCommitter(t, s)
	defer release()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("with no time: %v", err)
	}
}
