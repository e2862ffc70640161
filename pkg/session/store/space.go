package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// spaceLoop watches the free disk space until the store is being closed.
func (s *Store) spaceLoop() {
	ticker := time.NewTicker(s.opts.ProbeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.checkSpace()
			s.checkTables()
		case <-s.ctx.Done():
			return
		}
	}
}

// checkSpace stops or resumes intake according to the free disk space. It is
// called by one goroutine at a time.
func (s *Store) checkSpace() {
	if s.opts.MinFreeBytes < 0 {
		return
	}
	usage, err := s.opts.FS.GetDiskUsage(s.dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return
	}
	if err != nil {
		s.opts.Logger.Warn("free disk space is unknown", "dir", s.dir, "error", err)
		return
	}
	limit := uint64(s.opts.MinFreeBytes)
	if s.stats.lowSpace.Load() {
		limit += limit / 8
	}
	low := usage.AvailBytes < limit
	var reason error
	if low {
		reason = unavailable(fmt.Errorf("%d bytes are free on the disk of %s, %d are needed", usage.AvailBytes, s.dir, limit))
	}
	s.stats.lowSpace.Store(low)
	if !s.queue.setReason(refuseSpace, reason) {
		return
	}
	if low {
		s.opts.Logger.Error("disk is full, relay intake stops", "dir", s.dir, "free_bytes", usage.AvailBytes, "needed_bytes", limit)
	} else {
		s.opts.Logger.Info("disk has space again, relay intake resumes", "dir", s.dir, "free_bytes", usage.AvailBytes)
	}
}

// checkTables forgets that a table could not be written when a probe shows that
// the disk works again. Pebble writes tables again by itself only if there is a
// reason to, which there may not be as long as intake is stopped.
func (s *Store) checkTables() {
	e, err := s.acquire()
	if err != nil {
		return // recovery does its own probing
	}
	defer s.release(e)
	if _, failed := e.guard.failure(); failed == nil {
		return
	}
	if err := probe(s.opts.FS, s.dir); err != nil {
		s.opts.Logger.Debug("relay store can not write a table yet", "dir", s.dir, "error", err)
		return
	}
	e.guard.tableWritten()
}

// span is the half-open range of keys [lower, upper).
type span struct{ lower, upper []byte }

// maxSpans bounds the spans that wait to be reclaimed. Beyond it they become
// one, which costs more work and forgets nothing.
const maxSpans = 4096

// reclaimer collects ranges that were deleted and still take disk space.
type reclaimer struct {
	wake chan struct{} // has a token when there may be spans; never closed

	mu    sync.Mutex
	spans []span
}

func newReclaimer() *reclaimer { return &reclaimer{wake: make(chan struct{}, 1)} }

func (r *reclaimer) add(spans ...span) {
	r.mu.Lock()
	r.spans = append(r.spans, spans...)
	if len(r.spans) > maxSpans {
		r.spans = []span{hull(r.spans)}
	}
	r.mu.Unlock()
	signal(r.wake)
}

// take returns the spans in order, those that touch as one.
func (r *reclaimer) take() []span {
	r.mu.Lock()
	spans := r.spans
	r.spans = nil
	r.mu.Unlock()
	slices.SortFunc(spans, func(a, b span) int { return bytes.Compare(a.lower, b.lower) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && bytes.Compare(s.lower, merged[n-1].upper) <= 0 {
			merged[n-1] = hull([]span{merged[n-1], s})
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// hull returns the smallest span around all spans, of which there is one at
// least.
func hull(spans []span) span {
	all := spans[0]
	for _, s := range spans[1:] {
		if bytes.Compare(s.lower, all.lower) < 0 {
			all.lower = s.lower
		}
		if bytes.Compare(s.upper, all.upper) > 0 {
			all.upper = s.upper
		}
	}
	return all
}

// reclaimLoop compacts the ranges of deleted sessions, so that their space is
// returned. A deletion alone is only one more entry. Sessions that end together
// are deleted together, hence the delay. It ends when the store is being closed.
// What could not be reclaimed, or was not yet, is left to pebble's own
// compactions.
func (s *Store) reclaimLoop() {
	for {
		select {
		case <-s.reclaim.wake:
		case <-s.ctx.Done():
			return
		}
		select {
		case <-time.After(s.opts.ReclaimDelay):
		case <-s.ctx.Done():
			return
		}
		for spans := s.reclaim.take(); len(spans) > 0; spans = spans[1:] {
			err := s.compact(spans[0])
			if errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) {
				s.reclaim.add(spans...) // the engine is being replaced, or closed
				break
			}
			if err != nil {
				s.opts.Logger.Warn("reclaiming disk space failed", "dir", s.dir, "error", err)
			}
		}
	}
}

// compact rewrites the tables of a span without what was deleted.
func (s *Store) compact(sp span) error {
	e, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(e)
	return e.db.Compact(e.ctx, sp.lower, sp.upper, false)
}

// Checkpoint writes a copy of the store as it is now to dir, which must not
// exist. The copy has everything that was acknowledged before, and can be opened
// as a store. Tables are linked, not copied, if dir is on the same disk.
func (s *Store) Checkpoint(dir string) error {
	e, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(e)
	err = e.db.Checkpoint(dir, pebble.WithFlushedWAL())
	if err == nil {
		err = markFormat(dir, s.opts.FS)
	}
	if cause := e.err(); cause != nil {
		err = unavailable(errors.Join(cause, err))
	}
	if err != nil {
		return fmt.Errorf("copying relay store %s to %s: %w", s.dir, dir, err)
	}
	return nil
}
