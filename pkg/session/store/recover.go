package store

import (
	"fmt"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// recoverFirst is the pause before the second attempt to recover. Later pauses
// double up to Options.ProbeEvery.
const recoverFirst = 20 * time.Millisecond

// recover replaces an engine whose files are frozen by one that works. It
// returns when it has, or when the store is being closed. Until a probe shows
// that the disk works again, the old engine serves reads.
func (s *Store) recover(cause error) {
	began, said := time.Now(), ""
	s.opts.Logger.Error("relay store failed", "dir", s.dir, "error", cause)
	for pause := time.Duration(0); ; pause = min(max(2*pause, recoverFirst), s.opts.ProbeEvery) {
		if !async.Sleep(s.ctx, pause) {
			return
		}
		err := s.replaceEngine()
		if err == nil {
			break
		}
		s.queue.setReason(refuseFailed, unavailable(err))
		if err.Error() != said {
			said = err.Error()
			s.opts.Logger.Warn("relay store does not recover yet", "dir", s.dir, "error", err)
		}
	}
	s.stats.recoveries.Add(1)
	s.refreshHealth()
	s.opts.Logger.Info("relay store recovered", "dir", s.dir, "after", time.Since(began))
}

// replaceEngine makes one attempt to recover.
func (s *Store) replaceEngine() error {
	if err := probe(s.opts.FS, s.dir); err != nil {
		return err
	}
	// What is in the log is going to be written to tables.
	need := uint64(memTables * s.opts.MemTableBytes)
	if usage, err := s.opts.FS.GetDiskUsage(s.dir); err == nil && s.opts.MinFreeBytes >= 0 && usage.AvailBytes < need {
		return fmt.Errorf("%d bytes are free on the disk of %s, %d are needed", usage.AvailBytes, s.dir, need)
	}
	if old := s.engine.Load(); old != nil {
		// Its files are frozen: closing it tells the cause once more.
		_ = s.retire(old)
	}
	e, err := openEngine(s.ctx, s.dir, &s.opts, s.lock, s.cache, true, s.engineChanged)
	if err != nil {
		return err
	}
	s.engine.Store(e)
	return nil
}

// retire takes the engine out of use, waits for its users and closes it.
func (s *Store) retire(e *engine) error {
	s.engine.Store(nil)
	e.cancel()
	s.mu.Lock()
	for e.users > 0 {
		s.idle.Wait()
	}
	s.mu.Unlock()
	return e.close()
}

// engineChanged is called by the engine's guard, with pebble's locks held.
func (s *Store) engineChanged() {
	s.refreshHealth()
	signal(s.frozen)
}

// refreshHealth makes the queue refuse what the engine can not take.
func (s *Store) refreshHealth() {
	// One at a time, so that an older answer does not replace a newer one.
	s.health.Lock()
	defer s.health.Unlock()
	e := s.engine.Load()
	if e == nil {
		return // recovery says why
	}
	frozen, table := e.guard.failure()
	s.queue.setReason(refuseFailed, unavailableIf(frozen))
	if s.queue.setReason(refuseTable, unavailableIf(table)) {
		if table != nil {
			s.opts.Logger.Error("relay store can not write a table, intake stops", "dir", s.dir, "error", table)
		} else {
			s.opts.Logger.Info("relay store can write tables again", "dir", s.dir)
		}
	}
}

// unavailableIf wraps a cause unless there is none.
func unavailableIf(cause error) error {
	if cause == nil {
		return nil
	}
	return unavailable(cause)
}

// acquire returns the engine for a read or for maintenance. It must be given
// back with release.
func (s *Store) acquire() (*engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, ErrClosed
	}
	e := s.engine.Load()
	if e == nil || !e.guard.readable() {
		if err := s.queue.refused.Load(); err != nil {
			return nil, *err
		}
		return nil, ErrUnavailable
	}
	e.users++
	return e, nil
}

func (s *Store) release(e *engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.users--
	if e.users == 0 {
		s.idle.Broadcast()
	}
}
