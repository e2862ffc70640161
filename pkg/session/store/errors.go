package store

import (
	"errors"
	"fmt"
)

var (
	// ErrBusy says that the queue is full: the disk is slower than the relays.
	// It passes by itself.
	ErrBusy = errors.New("relay store is busy")

	// ErrUnavailable says that the store can not do it now because of the disk.
	// The cause is wrapped beside it. The store recovers by itself when the
	// disk does.
	ErrUnavailable = errors.New("relay store is unavailable")

	// ErrClosed says that Close was called.
	ErrClosed = errors.New("relay store is closed")

	// ErrLocked says that another process, or another Store of this process,
	// has the directory open.
	ErrLocked = errors.New("relay store is in use")

	// ErrFormat says that the directory holds something that this version of
	// the store can not read.
	ErrFormat = errors.New("relay store has an unknown format")

	// ErrNotFound says that there is no such record or cursor.
	ErrNotFound = errors.New("not found in relay store")

	// ErrTooLarge says that a relay can never fit into the queue.
	ErrTooLarge = errors.New("relay is too large for the store")

	// ErrKey says that a session key or cursor name can not be encoded.
	ErrKey = errors.New("invalid relay store key")

	// ErrReadOnly says that the store was opened with Options.ReadOnly.
	ErrReadOnly = errors.New("relay store is read-only")
)

// CorruptionError says that bytes on the disk are not those that were written.
// Other sessions are readable, unless they share the damaged block.
type CorruptionError struct {
	// Session is the session that was being read, or the last one that could be
	// read when the damage was met on the way to the next. It is zero when
	// there was none.
	Session SessionKey
	// Err is what was found.
	Err error
}

func (e *CorruptionError) Error() string {
	if e.Session == (SessionKey{}) {
		return fmt.Sprintf("relay store is corrupt: %v", e.Err)
	}
	return fmt.Sprintf("relay store is corrupt at session %s: %v", e.Session, e.Err)
}

func (e *CorruptionError) Unwrap() error { return e.Err }

// unavailable wraps the cause so that both it and ErrUnavailable are found.
func unavailable(cause error) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}
