package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Checkpoint writes a copy of the store as it is now to dir, which must not
// exist. The copy has everything that was acknowledged before, and can be opened
// as a store. Tables are linked, not copied, if dir is on the same disk.
func (s *Store) Checkpoint(dir string) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
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
