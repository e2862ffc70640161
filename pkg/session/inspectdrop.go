package session

import (
	"context"
	"fmt"
)

// Drop deletes the record and the leaves of a session and returns what it was.
// Unless it is forced, sessions that can still be paid, or slashed for want of a
// proof, are refused: those without an outcome, and those whose record cannot be
// read. It fails with ErrNoSession, ErrAmbiguous, ErrInvalid or ErrRefused, and
// with store.ErrReadOnly if the store was opened so.
//
// On a running relay miner a forced drop also ends the work on the session. A
// transaction that was sent is not taken back by that, and a session that is
// still served begins anew with the next relay.
func (i *Inspector) Drop(ctx context.Context, name Name, force bool) (*Summary, error) {
	s, err := i.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	summary := s.summary()
	i.count(&summary)
	allowed := func(record *Record) error {
		if force {
			return nil
		}
		return droppable(s, record)
	}
	if i.live != nil {
		err = i.live.drop(s.key, allowed)
	} else if err = allowed(s.record); err == nil {
		err = i.store.DeleteSession(s.key)
	}
	if err != nil {
		return nil, fmt.Errorf("drop session %s: %w", title(s.key), err)
	}
	return &summary, nil
}

// droppable returns why a session must not be dropped, if so. The record is the
// newest one and nil if there is none that can be read.
func droppable(s stored, record *Record) error {
	const forced = "--force drops it all the same"
	switch {
	case record == nil && s.raw == nil:
		return nil // left behind by an import that was not finished
	case record == nil:
		return fmt.Errorf("%w: its record cannot be read, so that its claim may be on chain (%s)", ErrRefused, forced)
	case record.State.Final():
		return nil
	case record.State == StateOpen:
		return fmt.Errorf("%w: it is open, its relays are not paid yet (%s)", ErrRefused, forced)
	case record.State == StateSealed:
		return fmt.Errorf("%w: it is still to be claimed (%s)", ErrRefused, forced)
	default:
		return fmt.Errorf("%w: it is %s, and its supplier is slashed if a proof is required and missing (%s)",
			ErrRefused, record.State, forced)
	}
}
