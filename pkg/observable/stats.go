package observable

import (
	"sync/atomic"
	"time"
)

// Stats counts what happens at one source, stage or subscription. The zero
// value is ready to use, and all of it may be read while the stream runs.
//
// A Stats shared by several stages adds up their counts and shows the queue of
// the one that began last.
type Stats struct {
	in, out, dropped, errors, panics atomic.Uint64
	waits                            atomic.Uint64
	waited                           atomic.Int64 // nanoseconds
	queue                            atomic.Pointer[func() int]
}

// StatsSnapshot is what a Stats showed at one moment. The fields are read one
// after the other, so that they balance exactly only once the stream is done.
//
// At the end In = Out + Errors + Panics for Map and ForEach; for Filter what
// remains is the number of items that the predicate rejected. In = Out + Dropped
// for a subscription that was read to its end.
type StatsSnapshot struct {
	// In counts the items taken in: accepted by a source, or taken from the
	// stage before.
	In uint64
	// Out counts the results made: items mapped, passed or handled, slices of
	// Batch, elements of MapExpand, items handed to a subscriber.
	Out uint64
	// Dropped counts the items lost for want of room or of a reader: refused by
	// a source (TryPublish on a full buffer, Publish whose context ended),
	// dropped by a subscription's overflow rule, or undeliverable because the
	// reader of a raw stream has cancelled its context.
	Dropped uint64
	// Errors counts the items dropped because the stage's function failed.
	Errors uint64
	// Panics counts the items dropped because the stage's function panicked,
	// and the panics of error handlers.
	Panics uint64
	// Queue is the number of items that wait behind the stage for the next one.
	// It is zero for ForEach, which has nothing behind it, and for a Replay,
	// whose subscriptions have queues of their own.
	Queue int
	// Waits counts the publications that found no room and had to wait, and
	// Waited is the time that they spent waiting.
	Waits  uint64
	Waited time.Duration
}

// Snapshot returns the present counts.
func (s *Stats) Snapshot() StatsSnapshot {
	snapshot := StatsSnapshot{
		In:      s.in.Load(),
		Out:     s.out.Load(),
		Dropped: s.dropped.Load(),
		Errors:  s.errors.Load(),
		Panics:  s.panics.Load(),
		Waits:   s.waits.Load(),
		Waited:  time.Duration(s.waited.Load()),
	}
	if queue := s.queue.Load(); queue != nil {
		snapshot.Queue = (*queue)()
	}
	return snapshot
}

// watch makes length the queue that snapshots show.
func (s *Stats) watch(length func() int) {
	s.queue.Store(&length)
}

// wait counts one publication that has to wait. The function returned is called
// when the wait is over.
func (s *Stats) wait() (over func()) {
	s.waits.Add(1)
	start := time.Now()
	return func() { s.waited.Add(int64(time.Since(start))) }
}
