package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// Record is what is kept about a session beside its leaves. The bytes are
// opaque to the store; whoever writes them versions them.
type Record struct {
	Key   SessionKey
	Value []byte
}

// PutRecord replaces the record of a session. The record is synced to the disk
// when PutRecord returns nil, and so is everything that was handed over before.
// It waits while the disk is busy, and returns ErrUnavailable, ErrClosed,
// ErrReadOnly or ErrKey.
func (s *Store) PutRecord(key SessionKey, value []byte) error {
	return s.PutRecords(Record{Key: key, Value: value})
}

// PutRecords replaces several records at once: after a crash either all or none
// are replaced. Otherwise it is like PutRecord.
func (s *Store) PutRecords(records ...Record) error {
	for _, r := range records {
		if err := r.Key.Validate(); err != nil {
			return err
		}
	}
	return s.do(func(b *pebble.Batch) error { return setRecords(b, records) })
}

func setRecords(b *pebble.Batch, records []Record) error {
	for _, r := range records {
		if err := b.Set(r.Key.key(spaceRecord), r.Value, nil); err != nil {
			return err
		}
	}
	return nil
}

// Record returns the record of a session, or ErrNotFound. The bytes are the
// caller's.
func (s *Store) Record(key SessionKey) ([]byte, error) {
	if err := key.Validate(); err != nil {
		return nil, err
	}
	value, err := s.get(key.key(spaceRecord))
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w: record of session %s", ErrNotFound, key)
	}
	if err != nil {
		return nil, s.readError(key, err)
	}
	return value, nil
}

// Records walks over the records of all sessions, in the order of Sessions. A
// record's value is valid until the next step. An error is the last thing that
// is yielded; see Leaves for which, and for what a walk prevents.
func (s *Store) Records() iter.Seq2[Record, error] {
	return s.recordsFrom([]byte{spaceRecord})
}

// RecordsAfter is Records for the sessions that come after one in that order,
// which need not be in the store. With it a long walk can be taken in parts,
// between which the store is free.
func (s *Store) RecordsAfter(key SessionKey) iter.Seq2[Record, error] {
	if err := key.Validate(); err != nil {
		return func(yield func(Record, error) bool) { yield(Record{}, err) }
	}
	return s.recordsFrom(successor(key.key(spaceRecord)))
}

func (s *Store) recordsFrom(lower []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var stopped bool
		var last SessionKey
		err := s.walk(lower, successor([]byte{spaceRecord}), func(it *pebble.Iterator) (bool, error) {
			key, rest, err := parseSession(it.Key(), spaceRecord)
			if err != nil || len(rest) > 0 {
				return false, &CorruptionError{Session: last, Err: fmt.Errorf("%w: %x", ErrKey, it.Key())}
			}
			last = key
			value, err := it.ValueAndErr()
			if err != nil {
				return false, err
			}
			stopped = !yield(Record{Key: key, Value: value}, nil)
			return !stopped && it.Next(), nil
		})
		if err != nil && !stopped {
			yield(Record{}, s.readError(last, err))
		}
	}
}

// metaCursor begins the names of cursors, to leave room for other values.
const metaCursor = "cursor/"

// SetCursor writes down a height, or any other number, under a name of 1 to 255
// bytes. The errors are those of PutRecord.
func (s *Store) SetCursor(name string, value int64) error {
	if err := checkName(name); err != nil {
		return err
	}
	return s.do(func(b *pebble.Batch) error {
		return b.Set(metaKey(metaCursor+name), binary.BigEndian.AppendUint64(nil, uint64(value)), nil)
	})
}

// Cursor returns what SetCursor wrote down under the name, or ErrNotFound.
func (s *Store) Cursor(name string) (int64, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	value, err := s.get(metaKey(metaCursor + name))
	if err == nil && len(value) != 8 {
		err = &CorruptionError{Err: fmt.Errorf("%d bytes instead of 8", len(value))}
	}
	if pebble.IsCorruptionError(err) {
		err = &CorruptionError{Err: err}
	}
	if err != nil {
		return 0, fmt.Errorf("reading cursor %q: %w", name, err)
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}

func checkName(name string) error {
	if len(name) == 0 || len(name) > math.MaxUint8 {
		return fmt.Errorf("%w: cursor name of %d bytes", ErrKey, len(name))
	}
	return nil
}

// get returns a copy of the value of a key, or ErrNotFound.
func (s *Store) get(key []byte) ([]byte, error) {
	e, err := s.acquire()
	if err != nil {
		return nil, err
	}
	defer s.release(e)
	value, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, s.engineError(e, err)
	}
	value = bytes.Clone(value)
	return value, s.engineError(e, closer.Close())
}
