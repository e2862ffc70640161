package store

import (
	"errors"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tables returns the files of a closed store that has several tables and blocks,
// the sessions in it, and how many leaves each has.
func tables(t *testing.T) (image map[string][]byte, sessions int, leaves int) {
	t.Helper()
	const numSessions, each = 10, 60
	mem := vfs.NewMem()
	s := open(t, "store", Options{FS: mem, MinFreeBytes: -1})
	rng := rand.NewChaCha8([32]byte{1})
	for i := range numSessions * each {
		l := leaf(i, 800)
		_, _ = rng.Read(l.Relay) // or a damaged byte could be one that does not matter
		if err := s.Append(session(i%numSessions), l, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutRecord(session(0), []byte("record")); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	closeStore(t, s)
	return readFiles(t, mem, "store"), numSessions, each
}

// Whichever bit of a table flips: no read returns anything but what was written
// or an error that names the session.
func TestCorruption_NoFlippedBitGoesUnnoticed(t *testing.T) {
	image, sessions, each := tables(t)
	want := map[SessionKey]map[[PathLen]byte]Leaf{}
	s := openImage(t, image)
	for i := range sessions {
		want[session(i)] = map[[PathLen]byte]Leaf{}
		for _, l := range mustCollect(t, s, session(i)) {
			want[session(i)][l.Path] = l
		}
		if len(want[session(i)]) != each {
			t.Fatalf("session %d has %d leaves", i, len(want[session(i)]))
		}
	}
	closeStore(t, s)

	flips := 120
	if testing.Short() {
		flips = 30
	}
	rng := rand.New(rand.NewPCG(3, 4))
	detected, harmed := 0, 0
	for range flips {
		name := ""
		for n := range image {
			if strings.HasSuffix(n, ".sst") && (name == "" || len(image[n]) > len(image[name])) {
				name = n
			}
		}
		at, bit := rng.IntN(len(image[name])), byte(1)<<rng.IntN(8)
		image[name][at] ^= bit
		s := openImage(t, image)
		bad := 0
		for key, leaves := range want {
			found, err := collect(s, key)
			if corrupt := (*CorruptionError)(nil); errors.As(err, &corrupt) {
				if corrupt.Session != key {
					t.Fatalf("byte %d of %s: session %s is named, want %s", at, name, corrupt.Session, key)
				}
				bad++
			} else if err != nil {
				t.Fatalf("byte %d of %s: %v", at, name, err)
			} else if len(found) != len(leaves) {
				t.Fatalf("byte %d of %s: %d leaves without an error", at, name, len(found))
			}
			for _, l := range found {
				if w := leaves[l.Path]; w.Weight != l.Weight || string(w.Relay) != string(l.Relay) {
					t.Fatalf("byte %d of %s: a wrong leaf is read", at, name)
				}
			}
		}
		if bad > 0 {
			detected++
		}
		if bad > 2 {
			harmed++
		}
		closeStore(t, s)
		image[name][at] ^= bit
	}
	// Only bits of the footer and of statistics can flip without consequence,
	// and only those of the index concern more than the one or two sessions of
	// a block.
	t.Logf("%d of %d flips were met by reads, %d of them by those of more than two sessions", detected, flips, harmed)
	if detected < flips*9/10 || harmed > flips/10 {
		t.Fatal("damage is not detected, or not contained")
	}
}

func openImage(t *testing.T, image map[string][]byte) *Store {
	t.Helper()
	mem := vfs.NewMem()
	writeFiles(t, mem, "store", image)
	s, err := Open("store", Options{FS: mem, MinFreeBytes: -1, MemTableBytes: 64 * kib, ReclaimDelay: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A damaged block does not keep the rest of the store from working, be it
// written, sorted or deleted.
func TestCorruption_StoreGoesOn(t *testing.T) {
	image, sessions, each := tables(t)
	for name := range image {
		if path.Ext(name) == ".sst" && len(image[name]) > 100*kib {
			image[name][150*kib] ^= 1
		}
	}
	s := openImage(t, image)
	defer closeStore(t, s)
	var damaged []SessionKey
	for i := range sessions {
		n, err := s.Count(session(i))
		if corrupt := (*CorruptionError)(nil); errors.As(err, &corrupt) {
			damaged = append(damaged, session(i))
		} else if err != nil || n != uint64(each) {
			t.Fatalf("session %d: %d leaves, %v", i, n, err)
		}
	}
	if len(damaged) == 0 || len(damaged) > 2 {
		t.Fatalf("damaged: %v", damaged)
	}
	l := startLoad(s, 2)
	eventually(t, "much is written", func() bool { return l.acknowledged() > 5000 })
	l.end()
	if l.failed > 0 {
		t.Fatalf("%d leaves failed", l.failed)
	}
	for i := range sessions {
		if n, err := s.Count(session(i)); err == nil && n < uint64(each) {
			t.Fatalf("session %d: %d leaves", i, n)
		}
	}
	for _, key := range damaged {
		if err := s.DeleteSession(key); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range damaged {
		if err := put(t, s, key, leaf(1, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AcceptingErr(); err != nil {
		t.Fatal(err)
	}
}
