package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestStore_LeavesComeInPathOrder(t *testing.T) {
	for _, durability := range []Durability{Reply, Interval} {
		t.Run(durability.String(), func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Options{Durability: durability})
			a, b := session(1), session(2)
			for i := range 300 {
				mustPut(t, s, a, leaf(i, 100+i))
				mustPut(t, s, b, leaf(1000+i, 50))
			}
			check := func(s *Store) {
				t.Helper()
				leaves := mustCollect(t, s, a)
				if len(leaves) != 300 {
					t.Fatalf("%d leaves, want 300", len(leaves))
				}
				if !slices.IsSortedFunc(leaves, func(x, y Leaf) int { return bytes.Compare(x.Path[:], y.Path[:]) }) {
					t.Fatal("leaves are not in path order")
				}
				if found := indexes(t, leaves); len(found) != 300 || !found[0] || !found[299] {
					t.Fatalf("wrong leaves: %v", found)
				}
				for _, l := range leaves {
					if want := 100 + int(l.Weight-1); len(l.Relay) != want {
						t.Fatalf("relay of %d bytes, want %d", len(l.Relay), want)
					}
				}
				stats, err := s.Stats(b)
				if want := (Stats{Leaves: 300, Weight: 1000*300 + 300*301/2, Bytes: 300 * 50}); err != nil || stats != want {
					t.Fatalf("stats %+v, %v, want %+v", stats, err, want)
				}
			}
			check(s)
			flush(t, s)
			check(s)
			closeStore(t, s)
			check(open(t, dir, Options{}))
		})
	}
}

func TestStore_DuplicateReplacesLeaf(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	key, l := session(1), leaf(1, 100)
	mustPut(t, s, key, l)
	l.Weight, l.Relay = 7, []byte("second")
	mustPut(t, s, key, l)
	leaves := mustCollect(t, s, key)
	if len(leaves) != 1 || leaves[0].Weight != 7 || string(leaves[0].Relay) != "second" {
		t.Fatalf("got %+v", leaves)
	}
	if n, err := s.Count(key); n != 1 || err != nil {
		t.Fatalf("count %d, %v", n, err)
	}
}

// Within one batch as well the last one wins.
func TestStore_DuplicateInOneBatchReplacesLeaf(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	key := session(1)
	release := blockCommitter(t, s)
	done := make(chan error, 10)
	for i := range 10 {
		l := leaf(1, 100)
		l.Weight = uint64(i)
		if err := s.Append(key, l, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
	}
	release()
	for range 10 {
		if err := wait(t, done); err != nil {
			t.Fatal(err)
		}
	}
	if leaves := mustCollect(t, s, key); len(leaves) != 1 || leaves[0].Weight != 9 {
		t.Fatalf("got %d leaves, %+v", len(leaves), leaves)
	}
	if commits := s.Metrics().Commits; commits != 2 {
		t.Fatalf("%d commits, want the blocking one and one for all leaves", commits)
	}
}

// blockCommitter makes the committer wait until the returned function is called.
func blockCommitter(t testing.TB, s *Store) (release func()) {
	t.Helper()
	blocked, unblock := make(chan struct{}), make(chan struct{})
	err := s.queue.push(op{done: func(error) { close(blocked); <-unblock }})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, blocked)
	return func() { close(unblock) }
}

func TestStore_KeysAndLeavesThatCanNotBeStored(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxRelayBytes: 4096, MaxQueueBytes: 1000})
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		name string
		key  SessionKey
		size int
		want error
	}{
		{"no supplier", SessionKey{SessionEnd: 1, SessionID: "s"}, 1, ErrKey},
		{"long supplier", SessionKey{Supplier: long, SessionEnd: 1, SessionID: "s"}, 1, ErrKey},
		{"no session", SessionKey{Supplier: "p", SessionEnd: 1}, 1, ErrKey},
		{"long session", SessionKey{Supplier: "p", SessionEnd: 1, SessionID: long}, 1, ErrKey},
		{"negative height", SessionKey{Supplier: "p", SessionEnd: -1, SessionID: "s"}, 1, ErrKey},
		{"large relay", session(1), 4097, ErrTooLarge},
		{"largest relay", session(1), 4096, nil},
		{"longest key", SessionKey{Supplier: long[1:], SessionEnd: 1<<63 - 1, SessionID: long[1:]}, 1, nil},
		{"empty relay", session(2), 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Leaf{Weight: 1, Relay: make([]byte, c.size)}
			if err := put(t, s, c.key, l); !errors.Is(err, c.want) {
				t.Fatalf("append: %v, want %v", err, c.want)
			}
			if errors.Is(c.want, ErrKey) {
				if err := s.PutRecord(c.key, nil); !errors.Is(err, ErrKey) {
					t.Fatalf("record: %v", err)
				}
				if err := s.DeleteSession(c.key); !errors.Is(err, ErrKey) {
					t.Fatalf("delete: %v", err)
				}
				if _, err := s.Count(c.key); !errors.Is(err, ErrKey) {
					t.Fatalf("count: %v", err)
				}
			}
			if c.want == nil {
				if leaves := mustCollect(t, s, c.key); len(leaves) != 1 || len(leaves[0].Relay) != c.size {
					t.Fatalf("got %+v", leaves)
				}
			}
		})
	}
}

// A relay larger than pebble's memory table takes another way through pebble.
func TestStore_LargeRelays(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{MemTableBytes: mib})
	for i := range 6 {
		mustPut(t, s, session(1), leaf(i, 5*mib))
	}
	closeStore(t, s)
	s = open(t, dir, Options{MemTableBytes: mib})
	if found := indexes(t, mustCollect(t, s, session(1))); len(found) != 6 {
		t.Fatalf("found %v", found)
	}
}

func TestStore_RecordsAndCursors(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if _, err := s.Record(session(1)); !errors.Is(err, ErrNotFound) {
		t.Fatalf("record: %v", err)
	}
	if _, err := s.Cursor("height"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("cursor: %v", err)
	}
	for i := range 50 {
		if err := s.PutRecord(session(i), fmt.Appendf(nil, "old %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	batch := make([]Record, 0, 50)
	for i := range 50 {
		batch = append(batch, Record{session(i), fmt.Appendf(nil, "new %d", i)})
	}
	if err := s.PutRecords(batch...); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCursor("height", -42); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCursor("", 1); !errors.Is(err, ErrKey) {
		t.Fatalf("cursor without a name: %v", err)
	}
	closeStore(t, s)

	s = open(t, dir, Options{})
	n := 0
	for r, err := range s.Records() {
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(batch, func(want Record) bool { return want.Key == r.Key })
		if i < 0 || string(batch[i].Value) != string(r.Value) {
			t.Fatalf("record %s %q", r.Key, r.Value)
		}
		n++
	}
	if n != 50 {
		t.Fatalf("%d records, want 50", n)
	}
	if v, err := s.Record(session(49)); err != nil || string(v) != "new 49" {
		t.Fatalf("record: %q, %v", v, err)
	}
	if v, err := s.Cursor("height"); v != -42 || err != nil {
		t.Fatalf("cursor: %d, %v", v, err)
	}
}

func TestStore_SessionsAreListedOnce(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	want := map[SessionKey]bool{}
	for i := range 100 {
		mustPut(t, s, session(i%40), leaf(i, 10))
		want[session(i%40)] = true
		if i == 50 {
			flush(t, s)
		}
	}
	for key, err := range s.Sessions() {
		if err != nil {
			t.Fatal(err)
		}
		if !want[key] {
			t.Fatalf("session %s is unknown or listed twice", key)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Fatalf("not listed: %v", want)
	}
	for range s.Sessions() {
		break // a walk can be left
	}
}

// A walk sees the session as it was when the walk began.
func TestLeaves_IsASnapshot(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for i := range 10 {
		mustPut(t, s, session(1), leaf(i, 10))
	}
	n := 0
	for _, err := range s.Leaves(session(1)) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			// The store can be used from inside of a walk.
			for i := range 50 {
				mustPut(t, s, session(1), leaf(100+i, 10))
			}
			if err := s.PutRecord(session(1), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n != 10 {
		t.Fatalf("%d leaves, want 10", n)
	}
}

// Walks in parts yield together what one walk yields.
func TestLeavesFrom_GoesOnWhereAnotherWalkEnded(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for i := range 10 {
		mustPut(t, s, session(1), leaf(i, 10))
		mustPut(t, s, session(2), leaf(i, 10))
	}
	all := mustCollect(t, s, session(1))
	for i, want := range all {
		n := 0
		for l, err := range s.LeavesFrom(session(1), want.Path) {
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 && l.Path != want.Path {
				t.Fatalf("the walk from leaf %d begins with %x, want %x", i, l.Path, want.Path)
			}
			n++
		}
		if n != len(all)-i {
			t.Errorf("%d leaves from leaf %d, want %d", n, i, len(all)-i)
		}
	}
}
