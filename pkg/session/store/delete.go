package store

import "github.com/cockroachdb/pebble/v2"

// DeleteSession removes the leaves and the record of a session; there need not
// be any. They are gone for good when it returns nil. The disk space is returned
// in the background, some time after Options.ReclaimDelay. Leaves that are
// appended later are stored anew. The errors are those of PutRecord.
func (s *Store) DeleteSession(key SessionKey) error { return s.DeleteSessions(key) }

// DeleteSessions removes several sessions at once: after a crash either all or
// none are gone. Otherwise it is like DeleteSession.
func (s *Store) DeleteSessions(keys ...SessionKey) error {
	spans := make([]span, 0, 2*len(keys))
	for _, key := range keys {
		if err := key.Validate(); err != nil {
			return err
		}
		record := key.key(spaceRecord)
		spans = append(spans, key.leaves(), span{record, successor(record)})
	}
	return s.deleteSpans(spans, nil)
}

// DeleteLeaves removes the leaves of sessions and replaces their records: after a
// crash either all of that is done or nothing. Otherwise it is like DeleteSession.
func (s *Store) DeleteLeaves(records ...Record) error {
	spans := make([]span, len(records))
	for n, r := range records {
		if err := r.Key.Validate(); err != nil {
			return err
		}
		spans[n] = r.Key.leaves()
	}
	return s.deleteSpans(spans, records)
}

// leaves returns the range of the session's leaves.
func (k SessionKey) leaves() span {
	lower, upper := k.bounds()
	return span{lower, upper}
}

// deleteSpans removes ranges and replaces records, in one batch.
func (s *Store) deleteSpans(spans []span, records []Record) error {
	err := s.do(func(b *pebble.Batch) error {
		for _, gone := range spans {
			if err := b.DeleteRange(gone.lower, gone.upper, nil); err != nil {
				return err
			}
		}
		return setRecords(b, records)
	})
	if err == nil && len(spans) > 0 {
		s.reclaim.add(spans...)
	}
	return err
}
