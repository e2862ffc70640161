package store

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// Leaves walks over the leaves of a session in ascending order of their paths,
// as they are at the moment the walk begins. A session without leaves yields
// nothing.
//
// The walk yields leaves that are not acknowledged too. For a root that is going
// to be claimed, call Sync after the session's last Append and walk when it has
// returned nil.
//
// A leaf's relay is valid until the next step of the walk. An error is the last
// thing that is yielded: a *CorruptionError, ErrUnavailable, ErrClosed, or
// ErrKey. While a walk goes on the store can not recover from a failure nor be
// closed; when it has to, the walk ends with an error at its next step.
func (s *Store) Leaves(key SessionKey) iter.Seq2[Leaf, error] {
	return s.leaves(key, nil)
}

// LeavesFrom is Leaves for the leaves whose path is not below first. With it a
// long walk can be taken in parts, between which the store is free.
func (s *Store) LeavesFrom(key SessionKey, first [PathLen]byte) iter.Seq2[Leaf, error] {
	return s.leaves(key, first[:])
}

func (s *Store) leaves(key SessionKey, first []byte) iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		if err := key.Validate(); err != nil {
			yield(Leaf{}, err)
			return
		}
		lower, upper := key.bounds()
		prefix := len(lower)
		var stopped bool
		err := s.walk(append(lower, first...), upper, func(it *pebble.Iterator) (bool, error) {
			value, err := it.ValueAndErr()
			if err != nil {
				return false, err
			}
			leaf, err := decodeLeaf(it.Key()[prefix:], value)
			if err != nil {
				return false, &CorruptionError{Session: key, Err: err}
			}
			stopped = !yield(leaf, nil)
			return !stopped && it.Next(), nil
		})
		if err != nil && !stopped {
			yield(Leaf{}, s.readError(key, err))
		}
	}
}

// Stats are sums over the leaves of a session.
type Stats struct {
	Leaves uint64
	Weight uint64 // compute units
	Bytes  uint64 // of relays
}

// Stats sums up the leaves of a session by walking over them, see Leaves.
func (s *Store) Stats(key SessionKey) (Stats, error) {
	var sum Stats
	for leaf, err := range s.Leaves(key) {
		if err != nil {
			return Stats{}, err
		}
		sum.Leaves++
		sum.Weight += leaf.Weight
		sum.Bytes += uint64(len(leaf.Relay))
	}
	return sum, nil
}

// Count returns the number of leaves of a session by walking over them, see
// Leaves.
func (s *Store) Count(key SessionKey) (uint64, error) {
	stats, err := s.Stats(key)
	return stats.Leaves, err
}

// Sessions walks over the sessions that have leaves, ordered by the length of
// the supplier's address, the address, end height, and session id likewise. An
// error is the last thing that is yielded.
func (s *Store) Sessions() iter.Seq2[SessionKey, error] {
	return func(yield func(SessionKey, error) bool) {
		lower := []byte{spaceLeaf}
		var stopped bool
		var last SessionKey
		err := s.walk(lower, successor(lower), func(it *pebble.Iterator) (bool, error) {
			key, _, err := parseSession(it.Key(), spaceLeaf)
			if err != nil {
				return false, &CorruptionError{Session: last, Err: err}
			}
			last = key
			if stopped = !yield(key, nil); stopped {
				return false, nil
			}
			_, next := key.bounds()
			return it.SeekGE(next), nil
		})
		if err != nil && !stopped {
			yield(SessionKey{}, s.readError(last, err))
		}
	}
}

// walk calls step with an iterator at the first key of the range, and again as
// long as it returns true, having moved the iterator.
func (s *Store) walk(lower, upper []byte, step func(*pebble.Iterator) (bool, error)) (err error) {
	e, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(e)
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return s.engineError(e, err)
	}
	defer func() {
		if closeErr := it.Close(); err == nil {
			err = s.engineError(e, closeErr)
		}
	}()
	for ok := it.First(); ok; {
		if e.ctx.Err() != nil {
			return s.interrupted()
		}
		if ok, err = step(it); err != nil {
			return s.engineError(e, err)
		}
	}
	return s.engineError(e, it.Error())
}

// engineError turns an error of an engine whose memory and files disagree, as
// they do in the end when the files are frozen, into ErrUnavailable.
func (s *Store) engineError(e *engine, err error) error {
	if err != nil && !e.guard.readable() {
		return unavailable(errors.Join(e.err(), err))
	}
	return err
}

// interrupted says why a walk is not continued.
func (s *Store) interrupted() error {
	if err := s.queue.refused.Load(); err != nil {
		return *err
	}
	return ErrUnavailable
}

// readError names the session in the error of a read.
func (s *Store) readError(key SessionKey, err error) error {
	corrupt := (*CorruptionError)(nil)
	switch {
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrClosed), errors.As(err, &corrupt):
		return err
	case pebble.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist):
		return &CorruptionError{Session: key, Err: err}
	}
	return fmt.Errorf("reading session %s: %w", key, err)
}
