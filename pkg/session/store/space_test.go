package store

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestStore_DeletedSessionIsGoneAndFreesItsSpace(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{ReclaimDelay: 1, MemTableBytes: mib})
	// Each session takes four times minReclaim, since random bytes do not shrink.
	const leaves = 8_000
	random := rand.NewChaCha8([32]byte{})
	for i := range leaves {
		l := leaf(i, 1024)
		if _, err := random.Read(l.Relay); err != nil {
			t.Fatal(err)
		}
		if err := s.Append(session(i%2), l, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutRecord(session(0), []byte("record")); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	before := tableBytes(t, dir)
	if err := s.DeleteSession(session(0)); err != nil {
		t.Fatal(err)
	}
	if left := mustCollect(t, s, session(0)); len(left) > 0 {
		t.Fatalf("%d leaves are left", len(left))
	}
	if _, err := s.Record(session(0)); !errors.Is(err, ErrNotFound) {
		t.Fatalf("record: %v", err)
	}
	if n, err := s.Count(session(1)); n != leaves/2 || err != nil {
		t.Fatalf("the other session has %d leaves, %v", n, err)
	}
	eventually(t, "half of the space is returned", func() bool { return tableBytes(t, dir) < before*6/10 })

	// What comes later is stored anew.
	mustPut(t, s, session(0), leaf(1, 10))
	closeStore(t, s)
	s = open(t, dir, Options{})
	if n, err := s.Count(session(0)); n != 1 || err != nil {
		t.Fatalf("%d leaves after the deletion, %v", n, err)
	}
}

// tableBytes returns the size of the table files in dir.
func tableBytes(t testing.TB, dir string) (sum int64) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := vfs.Default.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

func TestReclaimer_StaysBounded(t *testing.T) {
	r := newReclaimer()
	for i := range maxSpans + 1 {
		lower := session(i).key(spaceLeaf)
		r.add(span{lower, successor(lower)})
	}
	spans := r.take()
	if len(spans) > maxSpans {
		t.Fatalf("%d spans wait", len(spans))
	}
	all := hull(spans)
	for i := range maxSpans + 1 {
		key := session(i).key(spaceLeaf)
		if bytes.Compare(key, all.lower) < 0 || bytes.Compare(key, all.upper) >= 0 {
			t.Fatalf("session %d is forgotten", i)
		}
	}
}

// Letters stand for keys; each takes the space of its place in sizes, in MiB.
func TestPlan_CompactsWhatIsWorthIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes [10]uint64 // of the keys a to j
		spans string
		want  string
	}{
		{"nothing", [10]uint64{}, "", ""},
		{"one", [10]uint64{0, 2}, "bc", "bc"},
		{"too small", [10]uint64{}, "bc", ""},
		{"in any order, touching", [10]uint64{1, 1, 1}, "bc ab cd", "ad"},
		{"overlapping", [10]uint64{1, 1, 1}, "ac bd", "ad"},
		{"small ones together", [10]uint64{1, 16, 1}, "ab cd", "ad"},
		{"much between them", [10]uint64{2, 17, 2}, "ab cd", "ab cd"},
		{"more deleted than between them", [10]uint64{20, 18, 1}, "ab cd", "ad"},
		{"some too small", [10]uint64{0, 17, 2, 17, 0}, "ab cd ef", "cd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var spans []span
			for _, s := range strings.Fields(c.spans) {
				spans = append(spans, span{[]byte(s[:1]), []byte(s[1:])})
			}
			planned, err := plan(spans, func(s span) (sum uint64, err error) {
				for i := s.lower[0]; i < s.upper[0]; i++ {
					sum += c.sizes[i-'a'] * mib
				}
				return sum, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range planned {
				got = append(got, string(s.lower)+string(s.upper))
			}
			if !slices.Equal(got, strings.Fields(c.want)) {
				t.Fatalf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestStore_CheckpointIsAStore(t *testing.T) {
	for _, durability := range []Durability{Reply, Interval} {
		t.Run(durability.String(), func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, filepath.Join(dir, "store"), Options{Durability: durability})
			for i := range 100 {
				mustPut(t, s, session(i%3), leaf(i, 100))
				if i == 50 {
					flush(t, s)
				}
			}
			if err := s.PutRecord(session(1), []byte("record")); err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(dir, "copy")
			if err := s.Checkpoint(copied); err != nil {
				t.Fatal(err)
			}
			if err := s.Checkpoint(copied); !errors.Is(err, fs.ErrExist) {
				t.Fatalf("over another: %v", err)
			}
			mustPut(t, s, session(0), leaf(1000, 10))

			c := open(t, copied, Options{})
			sum := 0
			for i := range 3 {
				sum += len(indexes(t, mustCollect(t, c, session(i))))
			}
			if sum != 100 {
				t.Fatalf("%d leaves in the copy, want 100", sum)
			}
			if v, err := c.Record(session(1)); string(v) != "record" || err != nil {
				t.Fatalf("record %q, %v", v, err)
			}
		})
	}
}
