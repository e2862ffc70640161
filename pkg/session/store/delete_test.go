package store

import (
	"errors"
	"slices"
	"testing"
)

// Records of sessions that are gone must not shadow those that are there, and
// the other way round.
func TestStore_DeletedLeavesLeaveTheirRecord(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for i := range 3 {
		mustPut(t, s, session(i), leaf(1, 10), leaf(2, 10))
		if err := s.PutRecord(session(i), []byte("before")); err != nil {
			t.Fatal(err)
		}
	}
	err := s.DeleteLeaves(Record{session(0), []byte("after")}, Record{session(2), []byte("after")})
	if err != nil {
		t.Fatal(err)
	}
	check := func(i int, leaves uint64, record string) {
		t.Helper()
		n, err := s.Count(session(i))
		value, recordErr := s.Record(session(i))
		if err := errors.Join(err, recordErr); err != nil || n != leaves || string(value) != record {
			t.Errorf("session %d has %d leaves and record %q, %v", i, n, value, err)
		}
	}
	check(0, 0, "after")
	check(1, 2, "before")
	check(2, 0, "after")
	if err := s.DeleteSessions(session(0), session(1)); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	s = open(t, dir, Options{})
	check(2, 0, "after")
	for i := range 2 {
		if _, err := s.Record(session(i)); !errors.Is(err, ErrNotFound) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if err := errors.Join(s.DeleteSessions(), s.DeleteLeaves()); err != nil {
		t.Errorf("nothing to delete: %v", err)
	}
	for _, err := range []error{s.DeleteSessions(SessionKey{}), s.DeleteLeaves(Record{})} {
		if !errors.Is(err, ErrKey) {
			t.Errorf("without a key: %v", err)
		}
	}
}

func TestStore_RecordsAreWalkedOverInParts(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var all []SessionKey
	for i := range 5 {
		if err := s.PutRecord(session(i), []byte("r")); err != nil {
			t.Fatal(err)
		}
	}
	for record, err := range s.Records() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record.Key)
	}
	for i, after := range all {
		if err := s.DeleteSession(after); err != nil { // it need not be there
			t.Fatal(err)
		}
		var rest []SessionKey
		for record, err := range s.RecordsAfter(after) {
			if err != nil {
				t.Fatal(err)
			}
			rest = append(rest, record.Key)
		}
		if !slices.Equal(rest, all[i+1:]) {
			t.Errorf("after %v come %v", after, rest)
		}
	}
	for _, err := range s.RecordsAfter(SessionKey{}) {
		if !errors.Is(err, ErrKey) {
			t.Errorf("without a key: %v", err)
		}
	}
}

// Whatever sessions and cursors are called, neither is found, or deleted, in place of
// the other.
func TestCursor_IsNoneOfTheSessions(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if err := s.SetCursor("processed_height", 42); err != nil {
		t.Fatal(err)
	}
	for _, supplier := range []string{"cursor/processed_height", "ursor/", "\x01cursor/"} {
		key := SessionKey{Supplier: supplier, SessionEnd: 4, SessionID: "processed_height"}
		mustPut(t, s, key, leaf(1, 10))
		if err := s.PutRecord(key, []byte("record")); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range s.Records() {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("supplier %q: %d records", supplier, n)
		}
		if err := s.DeleteSession(key); err != nil {
			t.Fatal(err)
		}
		if height, err := s.Cursor("processed_height"); err != nil || height != 42 {
			t.Errorf("supplier %q: the cursor is %d, %v", supplier, height, err)
		}
	}
}
