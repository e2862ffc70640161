package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

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
