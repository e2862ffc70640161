package queue

import (
	"context"
	"errors"
	"sync"
)

// ErrConfig is returned by New for a bound that is none and for a missing backlog.
var ErrConfig = errors.New("work queue cannot be made")

// Queue gives out work in the order of its urgency. Its methods may be called
// concurrently.
type Queue[P any] struct {
	bound   int
	backlog Backlog[P]

	mu      sync.Mutex
	entries map[string]*entry[P] // waiting, later and working
	ready   line[P]              // waiting, the next one first
	delayed line[P]              // later, the first one due first
	spill   spill[P]
	reading *reading // of the backlog, while one is under way
	paused  [reasons]*Paused

	height     int64 // the greatest that was advanced to
	generation uint64
	arrivals   uint64
	tickets    uint64
	counts     Counts
	changed    chan struct{} // closed when something may have become due, then replaced
}

// New returns a queue of generation 1 that holds up to bound waiting items. It
// begins by reading the backlog: that is how work is resumed after a restart. It
// fails with ErrConfig.
func New[P any](bound int, backlog Backlog[P]) (*Queue[P], error) {
	if bound < 1 || backlog == nil {
		return nil, ErrConfig
	}
	return &Queue[P]{
		bound:      bound,
		backlog:    backlog,
		entries:    make(map[string]*entry[P]),
		ready:      line[P]{compare: byUrgency[P]},
		delayed:    line[P]{compare: byHeight[P]},
		spill:      spill[P]{any: true, unread: true},
		generation: 1,
		changed:    make(chan struct{}),
	}, nil
}

// Add puts an item in line. If there is one of its key, that gets the item's
// priority and payload, and keeps its place among equally urgent ones, its
// attempts, and the height that it waits for. If that is being worked on, it will
// be worked on once more afterwards.
//
// The item must be known to the backlog before it is added: at the bound the least
// urgent items are forgotten.
func (q *Queue[P]) Add(item Item[P]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	fresh := Item[P]{Key: item.Key, Priority: item.Priority, Payload: item.Payload}
	e := q.entries[item.Key]
	if e == nil {
		q.counts.Added++
		q.admit(q.arrived(fresh))
		q.wake()
		return
	}
	q.counts.Updated++
	switch e.place {
	case working:
		if e.again == nil {
			e.again = q.arrived(fresh)
		}
		e.again.update(fresh)
	case later:
		q.delayed.remove(e)
		e.update(fresh)
		q.delayed.insert(e)
	case waiting:
		q.ready.remove(e)
		e.update(fresh)
		q.admit(e)
		q.wake()
	}
}

// Remove takes the item of a key out, and reports whether memory held it. One that
// is being worked on is dropped when it is given back. The backlog must not know
// the item any more; Add brings it back.
func (q *Queue[P]) Remove(key string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leave(key)
	e := q.entries[key]
	if e == nil {
		return false
	}
	q.counts.Removed++
	switch e.place {
	case working:
		e.removed, e.again = true, nil
		return true
	case later:
		q.delayed.remove(e)
	case waiting:
		q.ready.remove(e)
	}
	delete(q.entries, key)
	return true
}

// Take gives out the most urgent item that may be given out, and waits until there
// is one. The item must be given back by Done or Retry.
//
// It fails with the cause of ctx's end, and with a *BacklogError, after which it can
// be called again at once.
func (q *Queue[P]) Take(ctx context.Context) (Item[P], error) {
	for {
		if ctx.Err() != nil {
			return Item[P]{}, context.Cause(ctx)
		}
		item, next := q.look()
		switch {
		case next.read != nil:
			if err := q.read(ctx, next.read); err != nil {
				return Item[P]{}, err
			}
		case next.wait != nil:
			select {
			case <-next.wait:
			case <-ctx.Done():
			}
		default:
			return item, nil
		}
	}
}

// step is what a worker that got no item does next.
type step struct {
	read *reading        // reads the backlog
	wait <-chan struct{} // waits for this to be closed
}

// look gives out an item or says what to do to get one.
func (q *Queue[P]) look() (Item[P], step) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.isShort() {
		return Item[P]{}, step{read: q.beginRead()}
	}
	e := q.ready.first()
	held := q.isPaused() && e != nil && e.item.Duty < UrgentClaim
	if e == nil || held || q.spill.unread && !q.spill.dry {
		return Item[P]{}, step{wait: q.changed}
	}
	q.ready.remove(e)
	q.tickets++
	q.counts.Taken++
	e.place = working
	e.item.ticket = q.tickets
	e.item.Generation = q.generation
	return e.item, step{}
}

// Done gives back an item that needs no more work by this worker, such as when its
// message was handed to the transaction manager.
//
// An item that was removed meanwhile is dropped. One of a generation that was
// discarded, or that is not given out, is dropped and counted as stale.
func (q *Queue[P]) Done(item Item[P]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.held(item); e != nil && !q.drop(e) {
		q.counts.Done++
		q.leave(item.Key)
		q.finish(e)
	}
}

// Retry gives back an item that is to be given out again when the given height is
// reached, or at once if it is, after those that are as urgent and were there
// before. What Done says of items that were removed or that are stale goes for Retry
// too.
//
// When Bound items wait for heights, the last one due of them is left to the
// backlog: it may come back at the next height.
func (q *Queue[P]) Retry(item Item[P], height int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	held := q.held(item)
	if held == nil || q.drop(held) {
		return
	}
	q.counts.Retried++
	e := held.again
	if e == nil {
		e = q.arrived(held.item)
	}
	e.item.Attempts = held.item.Attempts + 1
	e.item.Generation, e.item.ticket = 0, 0
	if height <= q.height {
		q.admit(e)
		q.wake()
		return
	}
	e.place, e.item.NotBefore = later, height
	q.entries[item.Key] = e
	q.delayed.insert(e)
	if q.delayed.len() > q.bound {
		last := q.delayed.last()
		q.delayed.remove(last)
		q.forget(last)
		q.spill.unread, q.spill.dry = true, true
	}
}

// held returns the entry that was given out as item, nil if there is none.
func (q *Queue[P]) held(item Item[P]) *entry[P] {
	e := q.entries[item.Key]
	if e == nil || e.place != working || e.item.ticket != item.ticket {
		q.counts.Stale++
		return nil
	}
	return e
}

// drop ends the work on an entry whose result is not wanted, and reports whether
// that is so.
func (q *Queue[P]) drop(e *entry[P]) bool {
	switch {
	case e.stale:
		// Not as one that has left: the backlog is to bring it back.
		q.counts.Stale++
	case e.removed:
		q.counts.Dropped++
	default:
		return false
	}
	q.finish(e)
	return true
}

// finish forgets an entry that was worked on, and puts in line what was added
// meanwhile.
func (q *Queue[P]) finish(e *entry[P]) {
	delete(q.entries, e.item.Key)
	if e.again != nil {
		q.admit(e.again)
		q.wake()
	}
}

// Valid reports whether the result of the work on an item that was taken is still
// wanted: it was not removed and its generation was not discarded.
func (q *Queue[P]) Valid(item Item[P]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[item.Key]
	return e != nil && e.place == working && e.item.ticket == item.ticket && !e.removed && !e.stale
}

// Advance tells the queue the height of the chain. Items that were retried at that
// height or below are put in line. Heights that are not above the one before do
// nothing.
func (q *Queue[P]) Advance(height int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if height <= q.height {
		return
	}
	q.height = height
	q.spill.dry = false
	for e := q.delayed.first(); e != nil && e.item.NotBefore <= height; e = q.delayed.first() {
		q.delayed.remove(e)
		e.item.NotBefore = 0
		q.admit(e)
	}
	q.wake()
}

// Reset discards the past, such as when the chain has gone back or a signer has
// begun anew, and returns the number of the new generation. What waits is read from
// the backlog again, results of what is worked on will be dropped, and any height is
// believed again. Pauses stay.
func (q *Queue[P]) Reset() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.generation++
	q.height = 0
	for key, e := range q.entries {
		if e.place != working {
			delete(q.entries, key)
			continue
		}
		e.stale, e.again = true, nil
	}
	q.ready.entries, q.delayed.entries = nil, nil
	q.spill = spill[P]{any: true, unread: true}
	if q.reading != nil {
		q.reading.void = true
	}
	q.wake()
	return q.generation
}

// arrived makes an entry of an item that has just come.
func (q *Queue[P]) arrived(item Item[P]) *entry[P] {
	q.arrivals++
	return &entry[P]{item: item, arrival: q.arrivals}
}

// update gives an entry the priority and payload of an item of its key.
func (e *entry[P]) update(item Item[P]) {
	e.item.Priority, e.item.Payload = item.Priority, item.Payload
}

// admit puts an entry in line, unless it has to wait for something that was
// forgotten. At the bound the least urgent entry is forgotten.
func (q *Queue[P]) admit(e *entry[P]) {
	if q.waitsForForgotten(e) {
		q.forget(e)
		q.spill.raise(e)
		return
	}
	e.place = waiting
	q.entries[e.item.Key] = e
	q.ready.insert(e)
	if q.ready.len() > q.bound {
		q.spillLast()
	}
}

// wake makes those that wait in Take look again.
func (q *Queue[P]) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}
