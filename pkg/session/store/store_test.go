package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
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

func TestStore_DeletedSessionIsGoneAndFreesItsSpace(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{ReclaimDelay: 1, MemTableBytes: mib})
	for i := range 4000 {
		if err := s.Append(session(i%2), leaf(i, 1024), func(error) {}); err != nil {
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
	if leaves := mustCollect(t, s, session(0)); len(leaves) > 0 {
		t.Fatalf("%d leaves are left", len(leaves))
	}
	if _, err := s.Record(session(0)); !errors.Is(err, ErrNotFound) {
		t.Fatalf("record: %v", err)
	}
	if n, err := s.Count(session(1)); n != 2000 || err != nil {
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

func TestReclaimer_MergesAndStaysBounded(t *testing.T) {
	r := newReclaimer()
	for _, s := range []string{"ef", "ab", "bc", "gh", "hi"} {
		r.add(span{[]byte(s[:1]), []byte(s[1:])})
	}
	var got []string
	for _, s := range r.take() {
		got = append(got, string(s.lower)+string(s.upper))
	}
	if want := []string{"ac", "ef", "gi"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range maxSpans + 1 {
		lower := session(i).key(spaceLeaf)
		r.add(span{lower, successor(lower)})
	}
	if got := len(r.take()); got > maxSpans {
		t.Fatalf("%d spans wait", got)
	}
}

func TestOpen_RefusesAnotherFormat(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string) error
		want   string
	}{
		{"newer", func(dir string) error {
			return os.Rename(filepath.Join(dir, "relaystore.format.1"), filepath.Join(dir, "relaystore.format.9"))
		}, `has format "9", expected "1"`},
		{"two", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "relaystore.format.0"), nil, 0o600)
		}, `has format "0", expected "1"`},
		{"another database", func(dir string) error {
			return os.Remove(filepath.Join(dir, "relaystore.format.1"))
		}, `of another database, expected format "1"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			closeStore(t, open(t, dir, Options{}))
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			before := readFiles(t, vfs.Default, dir)
			for _, readOnly := range []bool{false, true} {
				_, err := Open(dir, Options{ReadOnly: readOnly})
				if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
					t.Fatalf("read-only %t: %v", readOnly, err)
				}
			}
			if after := readFiles(t, vfs.Default, dir); !maps.EqualFunc(before, after, bytes.Equal) {
				t.Fatal("it was touched")
			}
		})
	}
}

// A new store is made beside what another relay miner has left in the directory.
func TestOpen_LeavesOtherFilesAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sessions_metadata"), 0o700); err != nil {
		t.Fatal(err)
	}
	names := []string{filepath.Join(dir, "sessions_metadata", "MANIFEST-000001"), filepath.Join(dir, "notes.txt")}
	for _, name := range names {
		if err := os.WriteFile(name, []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s := open(t, dir, Options{})
		mustPut(t, s, session(1), leaf(1, 10))
		closeStore(t, s)
	}
	for _, name := range names {
		if bz, err := os.ReadFile(name); string(bz) != "theirs" {
			t.Fatalf("%s: %q, %v", name, bz, err)
		}
	}
}

func TestOpen_RefusesDirectoryInUse(t *testing.T) {
	for _, f := range []struct {
		name string
		fs   vfs.FS
		dir  string
	}{{"disk", nil, t.TempDir()}, {"memory", vfs.NewMem(), "store"}} {
		t.Run(f.name, func(t *testing.T) {
			s := open(t, f.dir, Options{FS: f.fs})
			for _, readOnly := range []bool{false, true} {
				_, err := Open(f.dir, Options{FS: f.fs, ReadOnly: readOnly})
				if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), f.dir) {
					t.Fatalf("read-only %t: %v", readOnly, err)
				}
			}
			closeStore(t, s)
			open(t, f.dir, Options{FS: f.fs})
		})
	}
}

func TestOpen_ReadOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none"), Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a store that does not exist: %v", err)
	}
	if _, err := Open(dir, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an empty directory: %v", err)
	}
	s := open(t, dir, Options{})
	mustPut(t, s, session(1), leaf(1, 10))
	closeStore(t, s)

	s = open(t, dir, Options{ReadOnly: true})
	if n, err := s.Count(session(1)); n != 1 || err != nil {
		t.Fatalf("count %d, %v", n, err)
	}
	for name, err := range map[string]error{
		"append":    put(t, s, session(1), leaf(2, 10)),
		"accepting": s.AcceptingErr(),
		"record":    s.PutRecord(session(1), nil),
		"cursor":    s.SetCursor("c", 1),
		"delete":    s.DeleteSession(session(1)),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_RefusesNonsense(t *testing.T) {
	for _, o := range []Options{
		{Durability: 7}, {Interval: -1}, {QueueLen: -1}, {MaxQueueBytes: -1}, {MaxRelayBytes: -1}, {MemTableBytes: -1},
		{MemTableBytes: 1}, {CacheBytes: -1}, {MaxOpenFiles: -1}, {ProbeEvery: -1}, {StallAfter: -1}, {ReclaimDelay: -1},
	} {
		if s, err := Open(t.TempDir(), o); err == nil {
			closeStore(t, s)
			t.Errorf("%+v is accepted", o)
		}
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

func TestClose_CommitsWhatIsQueued(t *testing.T) {
	for _, durability := range []Durability{Reply, Interval} {
		t.Run(durability.String(), func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Options{Durability: durability})
			release := blockCommitter(t, s)
			done := make(chan error, 1000)
			for i := range 1000 {
				if err := s.Append(session(1), leaf(i, 10), func(err error) { done <- err }); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("close with work to do and no time: %v", err)
			}
			if err := put(t, s, session(1), leaf(0, 0)); !errors.Is(err, ErrClosed) {
				t.Fatalf("append: %v", err)
			}
			release()
			closeStore(t, s)
			for range 1000 {
				if err := wait(t, done); err != nil {
					t.Fatal(err)
				}
			}
			for name, err := range map[string]error{
				"accepting": s.AcceptingErr(), "sync": s.Sync(context.Background()),
				"record": s.PutRecord(session(1), nil), "checkpoint": s.Checkpoint(dir + "x"),
			} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := s.Count(session(1)); !errors.Is(err, ErrClosed) {
				t.Errorf("count: %v", err)
			}
			s = open(t, dir, Options{})
			if n, err := s.Count(session(1)); n != 1000 || err != nil {
				t.Fatalf("%d leaves, %v", n, err)
			}
		})
	}
}

// A walk that is under way does not keep the store from closing for longer than
// one step.
func TestClose_EndsWalks(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for i := range 10 {
		mustPut(t, s, session(1), leaf(i, 10))
	}
	began := make(chan struct{})
	goOn := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		n := 0
		for _, err := range s.Leaves(session(1)) {
			if n++; n == 1 {
				close(began)
				<-goOn
				continue
			}
			result <- err
		}
		close(result)
	}()
	wait(t, began)
	closing := make(chan error, 1)
	go func() { closing <- s.Close(context.Background()) }()
	eventually(t, "close has begun", func() bool { return errors.Is(s.AcceptingErr(), ErrClosed) })
	select {
	case err := <-closing:
		t.Fatalf("closed under a walk: %v", err)
	default:
	}
	close(goOn)
	if err := wait(t, result); !errors.Is(err, ErrClosed) {
		t.Fatalf("the walk's next step: %v", err)
	}
	if err := wait(t, closing); err != nil {
		t.Fatal(err)
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
