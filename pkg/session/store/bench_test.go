package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
)

// BenchmarkAppend measures a relay of 1 KiB from Append to its acknowledgement,
// with a number of relays that wait at the same time.
func BenchmarkAppend(b *testing.B) {
	for _, d := range []Durability{Reply, Interval} {
		for _, waiters := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("%s/waiters=%d", d, waiters), func(b *testing.B) {
				s := open(b, b.TempDir(), Options{Durability: d})
				relay := leaf(1, kib).Relay
				keys := make([]SessionKey, 100)
				for i := range keys {
					keys[i] = session(i)
				}
				var n atomic.Uint64
				b.SetParallelism((waiters + 1) / 2) // of two cores
				if waiters == 1 {
					b.SetParallelism(1)
				}
				b.ReportAllocs()
				b.SetBytes(kib)
				b.ResetTimer()
				work := func(next func() bool) {
					done := make(chan error, 1)
					finish := func(err error) { done <- err }
					for next() {
						i := n.Add(1)
						l := Leaf{Weight: 1, Relay: relay}
						// Paths are spread like hashes.
						binary.BigEndian.PutUint64(l.Path[:], i*0x9e3779b97f4a7c15)
						if err := s.Append(keys[i%100], l, finish); err != nil {
							b.Error(err)
							return
						}
						if err := <-done; err != nil {
							b.Error(err)
							return
						}
					}
				}
				if waiters == 1 {
					work(b.Loop)
				} else {
					b.RunParallel(func(pb *testing.PB) { work(pb.Next) })
				}
				b.StopTimer()
				m := s.Metrics()
				b.ReportMetric(float64(m.Leaves)/float64(m.Commits), "relays/commit")
			})
		}
	}
}

// BenchmarkLeaves measures a walk over a session, per leaf of 1 KiB.
func BenchmarkLeaves(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	const leaves = 50_000
	for i := range leaves {
		if i%5000 == 0 {
			if err := s.Sync(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Append(session(1), leaf(i, kib), func(error) {}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Sync(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(kib)
	n := 0
	for n < b.N {
		for _, err := range s.Leaves(session(1)) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n >= b.N {
				break
			}
		}
	}
}

// BenchmarkAcceptingErr measures the question before every relay.
func BenchmarkAcceptingErr(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	b.ReportAllocs()
	for b.Loop() {
		if err := s.AcceptingErr(); err != nil {
			b.Fatal(err)
		}
	}
}
