package store

import (
	"errors"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// maxBatchBytes is about the size at which a batch is committed even if more is
// queued. Pebble keeps the memory of batches up to 1 MiB for the next, and
// rotates its memory table for those of half its size. A single relay can exceed
// it.
func maxBatchBytes(o *Options) int { return min(768*kib, o.MemTableBytes/4) }

// commitLoop is the committer. It alone writes, and it alone replaces the
// engine. It ends when the queue is closed and empty.
func (s *Store) commitLoop() {
	var ops []op
	closed := false
	for !closed {
		select {
		case <-s.queue.wake:
		case <-s.frozen:
		}
		// Those whose relays have just been acknowledged are about to append the
		// next ones: let them, and one sync does for more.
		runtime.Gosched()
		ops, closed = s.queue.take(ops)
		cause := s.commitAll(ops)
		if cause == nil {
			continue
		}
		s.failAll(cause)
		if !closed {
			s.recover(cause)
		}
	}
}

// commitAll commits ops in order, in batches, and returns why the engine can
// not be used any more, or nil. All ops are finished.
func (s *Store) commitAll(ops []op) (cause error) {
	e := s.engine.Load()
	if e == nil {
		s.queue.finish(ops, ErrClosed) // closed before it recovered
		return nil
	}
	if cause := e.err(); cause != nil {
		s.queue.finish(ops, unavailable(cause))
		return cause
	}
	for len(ops) > 0 {
		n, err := s.commitBatch(e, ops)
		if err != nil {
			s.queue.finish(ops, unavailable(err))
			return err
		}
		s.queue.finish(ops[:n], nil)
		ops = ops[n:]
	}
	return nil
}

// commitBatch commits the first ops, as many as make a batch of the right size,
// and returns their number.
func (s *Store) commitBatch(e *engine, ops []op) (n int, err error) {
	s.commitBegan.Store(time.Now().UnixNano())
	defer s.commitBegan.Store(0)

	b := e.db.NewBatch()
	defer func() { err = errors.Join(err, b.Close()) }()
	var leaves, bytes uint64
	sync := false
	for ; n < len(ops) && b.Len() < s.batchBytes; n++ {
		o := &ops[n]
		switch {
		case !o.control:
			if err := putLeaf(b, o); err != nil {
				return n, err
			}
			leaves++
			bytes += uint64(len(o.leaf.Relay))
			continue
		case o.write != nil:
			if err := o.write(b); err != nil {
				return n, err
			}
		}
		sync = true
	}
	if !b.Empty() {
		// With a lazy guard this writes to the log and does not sync.
		if err := b.Commit(pebble.Sync); err != nil {
			return n, err
		}
	}
	if s.opts.Durability == Interval {
		if sync {
			if err := e.guard.sync(); err != nil {
				return n, err
			}
		} else {
			signal(s.dirty)
		}
	}
	// Only now is it known whether the commit reached the files.
	if err := e.err(); err != nil {
		return n, err
	}
	s.stats.commits.Add(1)
	s.stats.leaves.Add(leaves)
	s.stats.bytes.Add(bytes)
	return n, nil
}

func putLeaf(b *pebble.Batch, o *op) error {
	d := b.SetDeferred(o.key.keyLen()+PathLen, leafHeaderLen+len(o.leaf.Relay))
	key := o.key.appendKey(d.Key[:0], spaceLeaf)
	copy(d.Key[len(key):], o.leaf.Path[:])
	encodeLeaf(d.Value, &o.leaf)
	return d.Finish()
}

// failAll makes the store refuse what comes and fails what has come.
func (s *Store) failAll(cause error) {
	s.queue.setReason(refuseFailed, unavailable(cause))
	ops, _ := s.queue.take(nil)
	s.queue.finish(ops, unavailable(cause))
}

// do hands an op to the committer and waits until it is durable.
func (s *Store) do(write func(*pebble.Batch) error) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	done := make(chan error, 1)
	if err := s.queue.push(op{write: write, done: func(err error) { done <- err }}); err != nil {
		return err
	}
	return <-done
}
