package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/seed52205347/relayminer/pkg/async"
)

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

// take returns the spans that wait.
func (r *reclaimer) take() []span {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans := r.spans
	r.spans = nil
	return spans
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

const (
	// minReclaim is the space below which a span is left to pebble, which drops
	// what is deleted whenever it happens to compact it.
	minReclaim = mib
	// maxGap is the space between two spans up to which they are compacted as
	// one: about that of the tables that both have a part in.
	maxGap = 16 * mib
)

// plan decides which spans to compact, given what they take. Two become one if
// what is between them, and has to be rewritten, is not more than what is
// deleted in the first, or than maxGap.
func plan(spans []span, usage func(span) (uint64, error)) ([]span, error) {
	slices.SortFunc(spans, func(a, b span) int { return bytes.Compare(a.lower, b.lower) })
	var planned []span
	var deleted uint64 // in the last one
	for _, s := range spans {
		size, err := usage(s)
		if err != nil {
			return nil, err
		}
		if n := len(planned); n > 0 {
			last := &planned[n-1]
			var gap uint64
			if bytes.Compare(last.upper, s.lower) < 0 {
				if gap, err = usage(span{last.upper, s.lower}); err != nil {
					return nil, err
				}
			}
			if gap <= max(deleted, maxGap) {
				*last = hull([]span{*last, s})
				deleted += size
				continue
			}
			if deleted < minReclaim {
				planned = planned[:n-1]
			}
		}
		planned = append(planned, s)
		deleted = size
	}
	if n := len(planned); n > 0 && deleted < minReclaim {
		planned = planned[:n-1]
	}
	return planned, nil
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
		if !async.Sleep(s.ctx, s.opts.ReclaimDelay) {
			return
		}
		spans := s.reclaim.take()
		err := s.compact(spans)
		switch {
		case err == nil:
		case s.ctx.Err() != nil:
			return
		case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled):
			s.reclaim.add(spans...) // the engine is being replaced
		default:
			s.opts.Logger.Warn("reclaiming disk space failed", "dir", s.dir, "error", err)
		}
	}
}

// compact rewrites the tables of deleted spans without what was deleted.
func (s *Store) compact(spans []span) error {
	e, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(e)
	planned, err := plan(slices.Clone(spans), func(sp span) (uint64, error) {
		return e.db.EstimateDiskUsage(sp.lower, sp.upper)
	})
	if err != nil {
		return err
	}
	var failed error
	for _, sp := range planned {
		err := e.db.Compact(e.ctx, sp.lower, sp.upper, false)
		if e.ctx.Err() != nil {
			return err
		}
		failed = errors.Join(failed, err) // one damaged table does not keep the others
	}
	return failed
}
