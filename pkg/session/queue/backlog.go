package queue

import (
	"context"
	"errors"
	"fmt"
)

// Backlog knows every item that waits to be worked on, whether or not the queue
// holds it in memory.
type Backlog[P any] interface {
	// Waiting returns up to n items that wait to be worked on, the most urgent ones
	// first (see Less), without those whose keys are known to the queue. Fewer than
	// n means that there are no more.
	//
	// It must return every such item: those that were added, and are neither done
	// nor removed. It may run while items are added, removed and given back, and need
	// not see what happens meanwhile. It should return soon after ctx is done.
	Waiting(ctx context.Context, n int, known func(key string) bool) ([]Item[P], error)
}

// BacklogError is returned by Take when the backlog could not be read. It is not
// read again before the next height; until then items are given out of memory.
type BacklogError struct {
	Err error
}

// Error says what the backlog has failed with.
func (e *BacklogError) Error() string {
	return fmt.Sprintf("backlog of work cannot be read: %v", e.Err)
}

// Unwrap returns the backlog's error.
func (e *BacklogError) Unwrap() error { return e.Err }

// errUnfinished stands for the result of a reading that has panicked.
var errUnfinished = errors.New("reading did not end")

// spill is what the queue remembers of the items that it has forgotten.
type spill[P any] struct {
	any    bool // the backlog may hold items that memory does not
	unread bool // and those may be more urgent than what memory holds: it is read first
	dry    bool // but not before the next height
	// best is no less urgent than anything forgotten because of its urgency. Nil if
	// there is no such item.
	best *entry[P]
}

// raise notes that e was forgotten because of its urgency.
func (s *spill[P]) raise(e *entry[P]) {
	if s.best == nil || byUrgency(e, s.best) < 0 {
		copied := *e
		s.best = &copied
	}
}

// reading is one reading of the backlog, and what happened in the course of it.
type reading struct {
	left   map[string]struct{} // keys of items that were done or removed
	missed bool                // items were forgotten, perhaps too late to be read
	void   bool                // the result is of no use: too much happened
}

// isShort reports whether the backlog is to be read now.
func (q *Queue[P]) isShort() bool {
	s := &q.spill
	return s.any && !s.dry && q.reading == nil && (s.unread || q.ready.len() <= q.bound/2)
}

// beginRead notes that the backlog is being read. What was forgotten before will be
// among what is read.
func (q *Queue[P]) beginRead() *reading {
	q.reading = &reading{left: make(map[string]struct{})}
	q.spill.best = nil
	return q.reading
}

// read reads the backlog. Other workers take what is in memory meanwhile.
func (q *Queue[P]) read(ctx context.Context, r *reading) (err error) {
	var items []Item[P]
	err = errUnfinished
	defer func() { err = q.endRead(ctx, r, items, err) }()
	items, err = q.backlog.Waiting(ctx, q.bound, q.isKnown)
	return err
}

// isKnown reports whether the backlog need not tell of the item. What was given out
// in a discarded generation has to be told of, because its result will be dropped.
func (q *Queue[P]) isKnown(key string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[key]
	return e != nil && (!e.stale || e.again != nil)
}

// endRead takes the result of a reading into memory.
func (q *Queue[P]) endRead(ctx context.Context, r *reading, items []Item[P], err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.wake()
	defer func() { q.reading = nil }()
	switch {
	case err != nil && ctx.Err() != nil: // for another worker to read
		q.spill.unread = true
		return context.Cause(ctx)
	case err != nil:
		q.spill.unread, q.spill.dry = true, true
		return &BacklogError{Err: err}
	case r.void:
		q.spill.unread = true
		return nil
	}
	full := len(items) >= q.bound
	items = items[:min(len(items), q.bound)]
	news := q.takeIn(r, items)
	if full {
		r.missed = true
		q.spill.raise(q.arrived(items[len(items)-1]))
		// A backlog that tells what is known over and over must not keep workers busy.
		q.spill.dry = q.spill.dry || news == 0
	}
	q.trim()
	q.spill.any = r.missed
	q.spill.unread = r.missed && q.spill.dry
	return nil
}

// takeIn admits what was read, and returns how many items were news.
func (q *Queue[P]) takeIn(r *reading, items []Item[P]) (news int) {
	for _, item := range items {
		fresh := Item[P]{Key: item.Key, Priority: item.Priority, Payload: item.Payload}
		if _, left := r.left[item.Key]; left {
			continue
		}
		switch e := q.entries[item.Key]; {
		case e == nil:
			q.admit(q.arrived(fresh))
		case e.stale && e.again == nil:
			e.again = q.arrived(fresh)
		default:
			continue
		}
		q.counts.Refilled++
		news++
	}
	return news
}

// trim forgets what has to wait for something that was forgotten.
func (q *Queue[P]) trim() {
	for q.spill.best != nil {
		last := q.ready.last()
		if last == nil || byUrgency(last, q.spill.best) <= 0 {
			return
		}
		q.spillLast()
	}
}

// waitsForForgotten reports whether something more urgent than e may have been
// forgotten. While the backlog cannot be read, memory takes what it can.
func (q *Queue[P]) waitsForForgotten(e *entry[P]) bool {
	s := &q.spill
	return !s.dry && s.best != nil && byUrgency(e, s.best) > 0
}

// spillLast forgets the least urgent entry in line.
func (q *Queue[P]) spillLast() {
	last := q.ready.last()
	q.ready.remove(last)
	q.forget(last)
	q.spill.raise(last)
}

// forget leaves an entry that is in neither line to the backlog.
func (q *Queue[P]) forget(e *entry[P]) {
	delete(q.entries, e.item.Key)
	q.counts.Spilled++
	q.spill.any = true
	if q.reading != nil {
		q.reading.missed = true
	}
}

// leave notes that an item was done or removed, so that a reading under way, which
// may have seen it before, does not bring it back. At the bound the reading is made
// void.
func (q *Queue[P]) leave(key string) {
	if q.reading == nil {
		return
	}
	if q.reading.left[key] = struct{}{}; len(q.reading.left) > q.bound {
		q.reading.void = true
		q.reading.left = make(map[string]struct{})
	}
}
