package store

import (
	"errors"
	"fmt"
	"time"

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

// spaceWatch is what checkSpace remembers of its last look.
type spaceWatch struct{ low, unknown bool }

// checkSpace stops or resumes intake according to the free disk space. It is
// called by Open and then by spaceLoop alone.
func (s *Store) checkSpace() {
	if s.opts.MinFreeBytes < 0 {
		return
	}
	usage, err := s.opts.FS.GetDiskUsage(s.dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return
	}
	if err != nil {
		if !s.space.unknown {
			s.opts.Logger.Warn("free disk space is unknown", "dir", s.dir, "error", err)
		}
		s.space.unknown = true
		return
	}
	s.space.unknown = false
	limit := uint64(s.opts.MinFreeBytes)
	if s.space.low {
		limit += limit / 8
	}
	low := usage.AvailBytes < limit
	var reason error
	if low {
		reason = unavailable(fmt.Errorf("%d bytes are free on the disk of %s, %d are needed", usage.AvailBytes, s.dir, limit))
	}
	s.space.low = low
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
