package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// session returns the i-th session of the tests.
func session(i int) SessionKey {
	return SessionKey{
		Supplier:   fmt.Sprintf("pokt1supplier%030d", i%7),
		SessionEnd: int64(10 * (1 + i/20)),
		SessionID:  fmt.Sprintf("%064x", i),
	}
}

// leaf returns the i-th leaf of a session: path, weight and content follow from
// i, so that what is read can be checked.
func leaf(i, size int) Leaf {
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], uint64(i))
	path := sha256.Sum256(seed[:])
	relay := make([]byte, size)
	for n := 0; n < size; n += len(path) {
		copy(relay[n:], path[:])
	}
	return Leaf{Path: path, Weight: uint64(i) + 1, Relay: relay}
}

// open opens a store that is closed when the test ends.
func open(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

// closeStore closes a store that must have no trouble with it. It may be called
// more than once.
func closeStore(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// put appends a leaf and waits for what becomes of it.
func put(t testing.TB, s *Store, key SessionKey, l Leaf) error {
	t.Helper()
	done := make(chan error, 2)
	if err := s.Append(key, l, func(err error) { done <- err }); err != nil {
		return err
	}
	return wait(t, done)
}

func mustPut(t testing.TB, s *Store, key SessionKey, leaves ...Leaf) {
	t.Helper()
	for _, l := range leaves {
		if err := put(t, s, key, l); err != nil {
			t.Fatal(err)
		}
	}
}

// wait receives from ch, but not forever.
func wait[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("what the test waits for does not happen")
		panic("unreachable")
	}
}

// eventually polls until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// collect returns the leaves of a session, copied.
func collect(s *Store, key SessionKey) ([]Leaf, error) {
	var leaves []Leaf
	for l, err := range s.Leaves(key) {
		if err != nil {
			return leaves, err
		}
		l.Relay = append([]byte(nil), l.Relay...)
		leaves = append(leaves, l)
	}
	return leaves, nil
}

func mustCollect(t testing.TB, s *Store, key SessionKey) []Leaf {
	t.Helper()
	leaves, err := collect(s, key)
	if err != nil {
		t.Fatal(err)
	}
	return leaves
}

// indexes returns the numbers from which leaf made the leaves, and fails if one
// is not what leaf made.
func indexes(t testing.TB, leaves []Leaf) map[int]bool {
	t.Helper()
	found := make(map[int]bool, len(leaves))
	for _, l := range leaves {
		i := int(l.Weight - 1)
		if want := leaf(i, len(l.Relay)); l.Path != want.Path || string(l.Relay) != string(want.Relay) {
			t.Fatalf("leaf %d is not what was appended", i)
		}
		found[i] = true
	}
	return found
}

// flush writes what is in memory to tables.
func flush(t testing.TB, s *Store) {
	t.Helper()
	if err := s.engine.Load().db.Flush(); err != nil {
		t.Fatal(err)
	}
}
