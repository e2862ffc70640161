package store

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// op is one thing for the committer to do: store a leaf, or write what write
// adds to the batch, or, with neither, to be a mark in the queue.
type op struct {
	key   SessionKey
	leaf  Leaf
	write func(*pebble.Batch) error // nil for leaves and marks
	// control is set for what is not a leaf.
	control bool

	// done is called once, with nil when the op is as durable as it shall be.
	done func(error)
}

// opOverhead is what a leaf in the queue costs beside its relay, in bytes.
const opOverhead = 256

func (o *op) size() int { return len(o.leaf.Relay) + opOverhead }

// refusal is a reason to take no leaves. The order is that in which reasons are
// told.
type refusal int

const (
	refuseFailed refusal = iota // the files are frozen or there is no engine
	refuseTable                 // a table could not be written
	refuseSpace                 // the disk is nearly full
	refusals
)

// queue holds what waits for the committer. It is bounded by the number and the
// bytes of the leaves that are not acknowledged; a leaf beyond either bound is
// refused with ErrBusy, unless it is the only one. Other ops are not bounded
// here: each has a caller that waits for it.
type queue struct {
	maxLen, maxBytes int

	// wake has a token when there may be ops. It is never closed.
	wake chan struct{}

	// What follows is written under mu and read without, by accepting.
	len, bytes atomic.Int64
	refused    atomic.Pointer[error] // the first of reasons, or that it is closed

	mu      sync.Mutex
	ops     []op
	reasons [refusals]error
	closed  bool
}

func newQueue(maxLen, maxBytes int) *queue {
	return &queue{maxLen: maxLen, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
}

// pushLeaf adds a leaf, or says why not.
func (q *queue) pushLeaf(key SessionKey, leaf Leaf, done func(error)) error {
	size := int64(len(leaf.Relay) + opOverhead)
	q.mu.Lock()
	if err := q.refused.Load(); err != nil {
		q.mu.Unlock()
		return *err
	}
	n, bytes := q.len.Load()+1, q.bytes.Load()+size
	if n > int64(q.maxLen) || bytes > int64(q.maxBytes) && n > 1 {
		q.mu.Unlock()
		return fmt.Errorf("%w: %d relays of %d bytes are waiting", ErrBusy, n-1, bytes-size)
	}
	q.len.Store(n)
	q.bytes.Store(bytes)
	q.ops = append(q.ops, op{key: key, leaf: leaf, done: done})
	q.mu.Unlock()
	signal(q.wake)
	return nil
}

// push adds an op that is not a leaf. Only a store that can not write at all
// refuses it.
func (q *queue) push(o op) error {
	o.control = true
	q.mu.Lock()
	err := q.writableLocked()
	if err == nil {
		q.ops = append(q.ops, o)
	}
	q.mu.Unlock()
	signal(q.wake)
	return err
}

// writable returns why an op that is not a leaf would be refused, or nil.
func (q *queue) writable() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.writableLocked()
}

func (q *queue) writableLocked() error {
	if q.closed {
		return ErrClosed
	}
	return q.reasons[refuseFailed]
}

// signal leaves a token in ch, which has room for one.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// take returns what is queued, in order, and whether no more will come. It
// leaves buf, emptied, as the room for what comes next.
func (q *queue) take(buf []op) (ops []op, closed bool) {
	clear(buf) // it refers to relays
	q.mu.Lock()
	defer q.mu.Unlock()
	ops, q.ops = q.ops, buf[:0]
	return ops, q.closed
}

// finish calls done for each op and makes room for as many.
func (q *queue) finish(ops []op, err error) {
	leaves, bytes := 0, 0
	for i := range ops {
		if !ops[i].control {
			leaves++
			bytes += ops[i].size()
		}
	}
	q.mu.Lock()
	q.len.Add(-int64(leaves))
	q.bytes.Add(-int64(bytes))
	q.mu.Unlock()
	for i := range ops {
		ops[i].done(err)
	}
}

// setReason sets a reason to take no leaves, or removes it if err is nil.
func (q *queue) setReason(r refusal, err error) (changed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	changed = (q.reasons[r] == nil) != (err == nil)
	q.reasons[r] = err
	q.publishLocked()
	return changed
}

// close makes the queue refuse everything from now on.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.publishLocked()
	q.mu.Unlock()
	signal(q.wake)
}

func (q *queue) publishLocked() {
	var first error
	if q.closed {
		first = ErrClosed
	}
	for _, err := range q.reasons {
		if first == nil {
			first = err
		}
	}
	if first == nil {
		q.refused.Store(nil)
		return
	}
	q.refused.Store(&first)
}

// accepting returns why a leaf would be refused, or nil. It takes no lock. The
// queue counts as full when it is seven eighths full, to leave room for the
// leaves of relays that are being served already.
func (q *queue) accepting() error {
	if err := q.refused.Load(); err != nil {
		return *err
	}
	n, bytes := q.len.Load(), q.bytes.Load()
	if n >= int64(q.maxLen-q.maxLen/8) || bytes >= int64(q.maxBytes-q.maxBytes/8) {
		return fmt.Errorf("%w: %d relays of %d bytes are waiting", ErrBusy, n, bytes)
	}
	return nil
}
