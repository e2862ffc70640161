package store

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Leaves that wait behind a table that can not be written are not left waiting.
func TestFault_CommitsDoNotWaitForTables(t *testing.T) {
	fault := newSwitchable(syscall.ENOSPC, "write table")
	s := open(t, "store", faultOptions(&faults{vfs.NewMem(), fault.fail}))
	release := blockCommitter(t, s)
	const leaves = 2000 // several times what fits into memory tables
	done := make(chan error, leaves)
	for i := range leaves {
		if err := s.Append(session(1), leaf(i, 1000), func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
	}
	fault.on.Store(true)
	release()
	acknowledged, failed := 0, 0
	for range leaves {
		switch err := wait(t, done); {
		case err == nil:
			acknowledged++
		case errors.Is(err, ErrUnavailable) && errors.Is(err, syscall.ENOSPC):
			failed++
		default:
			t.Fatal(err)
		}
	}
	if failed == 0 {
		t.Fatal("everything fit into memory")
	}
	fault.on.Store(false)
	eventually(t, "the store recovers", func() bool { return s.AcceptingErr() == nil })
	if n := len(indexes(t, mustCollect(t, s, session(1)))); n < acknowledged {
		t.Fatalf("%d leaves, %d were acknowledged", n, acknowledged)
	}
}

// A table that pebble does not try to write again does not stop intake forever.
func TestFault_TableThatIsGivenUp(t *testing.T) {
	fault := newSwitchable(syscall.EIO, "create probe")
	s := open(t, "store", faultOptions(&faults{vfs.NewMem(), fault.fail}))
	fault.on.Store(true)
	_ = s.engine.Load().guard.fail(classTable, syscall.EIO)
	if err := s.AcceptingErr(); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("accepting: %v", err)
	}
	eventually(t, "the disk is probed", func() bool { return fault.hits.Load() > 2 })
	if err := s.AcceptingErr(); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("accepting: %v", err)
	}
	if err := s.PutRecord(session(1), nil); err != nil {
		t.Fatalf("a record needs no table: %v", err)
	}
	fault.on.Store(false)
	eventually(t, "intake resumes", func() bool { return s.AcceptingErr() == nil })
}

// When the files are frozen and tables have gone into nothing, what was in them
// is missed with an error, not silently, and the error does not speak of
// corruption.
func TestFault_WhatWentIntoNothingIsNotReadAsAbsent(t *testing.T) {
	s := open(t, "store", faultOptions(vfs.NewMem()))
	mustPut(t, s, session(1), leaf(1, 10))
	e, err := s.acquire() // keeps the engine from being replaced
	if err != nil {
		t.Fatal(err)
	}
	e.guard.freeze(syscall.EIO)
	e.guard.releaseTables()
	if err := e.db.Flush(); err != nil {
		t.Fatal(err)
	}
	lower, _ := session(1).bounds()
	path := leaf(1, 10).Path
	_, _, err = e.db.Get(append(lower, path[:]...))
	if err == nil || errors.Is(err, pebble.ErrNotFound) {
		t.Fatalf("get: %v", err)
	}
	if err := s.engineError(e, err); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("the error for the user: %v", err)
	}
	if _, err := s.Count(session(1)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("count: %v", err)
	}
	s.release(e)
	eventually(t, "the store recovers", func() bool { return s.AcceptingErr() == nil })
	if n, err := s.Count(session(1)); n != 1 || err != nil {
		t.Fatalf("count: %d, %v", n, err)
	}
}

// A disk that does not answer makes the store refuse relays before the queue is
// full of them.
func TestStore_HangingDiskIsNoticed(t *testing.T) {
	for _, durability := range []Durability{Reply, Interval} {
		t.Run(durability.String(), func(t *testing.T) {
			var hang atomic.Bool
			unblock := make(chan struct{})
			fs := &faults{vfs.NewMem(), func(op, name string) error {
				if op == "sync" && kind(name) == "log" && hang.Load() {
					<-unblock
				}
				return nil
			}}
			s := open(t, "store", Options{FS: fs, Durability: durability, StallAfter: time.Millisecond, MinFreeBytes: -1})
			hang.Store(true)
			done := make(chan error, 1)
			if err := s.Append(session(1), leaf(1, 10), func(err error) { done <- err }); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the store says so", func() bool { return errors.Is(s.AcceptingErr(), ErrUnavailable) })
			hang.Store(false)
			close(unblock)
			if err := wait(t, done); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the store is well again", func() bool { return s.AcceptingErr() == nil })
		})
	}
}

// A store whose files are taken away does not become an empty one.
func TestRecover_DoesNotStartOver(t *testing.T) {
	fault := newSwitchable(syscall.EIO, "sync log")
	mem := vfs.NewMem()
	s := open(t, "store", faultOptions(&faults{mem, fault.fail}))
	mustPut(t, s, session(1), leaf(1, 10))
	names, err := mem.List("store")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := mem.Remove(mem.PathJoin("store", name)); err != nil {
			t.Fatal(err)
		}
	}
	fault.on.Store(true)
	if err := put(t, s, session(1), leaf(2, 10)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("append: %v", err)
	}
	fault.on.Store(false)
	eventually(t, "it says that there is no store", func() bool { return errors.Is(s.AcceptingErr(), pebble.ErrDBDoesNotExist) })
	if _, err := s.Count(session(1)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("count: %v", err)
	}
}

// Opening the store again takes space; until there is some, what is stored is
// readable.
func TestRecover_WaitsForSpace(t *testing.T) {
	fault := newSwitchable(syscall.ENOSPC, "write log")
	mem := vfs.NewMem()
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10 * mib, TotalBytes: 1 << 40})
	opts := faultOptions(&faults{mem, fault.fail})
	opts.MinFreeBytes = 1
	s := open(t, "store", opts)
	mustPut(t, s, session(1), leaf(1, 10))
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10, TotalBytes: 1 << 40})
	fault.on.Store(true)
	if err := put(t, s, session(1), leaf(2, 10)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("append: %v", err)
	}
	fault.on.Store(false)
	eventually(t, "it waits for space", func() bool {
		err := s.AcceptingErr()
		return errors.Is(err, ErrUnavailable) && strings.Contains(err.Error(), "10 bytes are free")
	})
	if n, err := s.Count(session(1)); n < 1 || err != nil {
		t.Fatalf("%d leaves, %v", n, err)
	}
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10 * mib, TotalBytes: 1 << 40})
	eventually(t, "the store recovers", func() bool { return s.AcceptingErr() == nil })
	mustPut(t, s, session(1), leaf(2, 10))
}

// A store that can not recover can be closed, and says what it could not do.
func TestClose_WhileFailed(t *testing.T) {
	fault := newSwitchable(syscall.EIO, "sync log", "create probe")
	s, err := Open("store", faultOptions(&faults{vfs.NewMem(), fault.fail}))
	if err != nil {
		t.Fatal(err)
	}
	fault.on.Store(true)
	if err := put(t, s, session(1), leaf(2, 10)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("append: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, syscall.EIO) {
		t.Fatalf("close: %v", err)
	}
}

// The last sync of a store that acknowledges before it syncs is that of Close.
func TestClose_TellsWhatIsNotSynced(t *testing.T) {
	fault := newSwitchable(syscall.EIO, "sync log")
	opts := faultOptions(&faults{vfs.NewMem(), fault.fail})
	opts.Durability, opts.Interval = Interval, time.Hour
	s, err := Open("store", opts)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, session(1), leaf(1, 10))
	fault.on.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, syscall.EIO) {
		t.Fatalf("close: %v", err)
	}
}

// A walk under way when the disk fails goes on, and recovery waits for it; its
// next step after the engine is given up ends it.
func TestRecover_WaitsForWalks(t *testing.T) {
	fault := newSwitchable(syscall.EIO, "sync log")
	s := open(t, "store", faultOptions(&faults{vfs.NewMem(), fault.fail}))
	for i := range 50 {
		mustPut(t, s, session(1), leaf(i, 10))
	}
	n := 0
	for _, err := range s.Leaves(session(1)) {
		if n++; n == 1 {
			fault.on.Store(true)
			if err := put(t, s, session(1), leaf(50, 10)); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("append: %v", err)
			}
			fault.on.Store(false)
			eventually(t, "the engine is given up", func() bool { return s.engine.Load() == nil })
			if _, err := s.Record(session(1)); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("record: %v", err)
			}
			continue
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Fatalf("step %d: %v", n, err)
		}
	}
	if n != 2 {
		t.Fatalf("the walk had %d steps", n)
	}
	eventually(t, "the store recovers", func() bool { return s.AcceptingErr() == nil })
}

// What pebble considers fatal does not end the process.
func TestEngine_FatalFreezes(t *testing.T) {
	s := open(t, "store", faultOptions(vfs.NewMem()))
	mustPut(t, s, session(1), leaf(1, 10))
	pebbleLog{slog.New(slog.DiscardHandler), s.engine.Load().guard}.Fatalf("assertion %d", 7)
	eventually(t, "the store recovers", func() bool { return s.Metrics().Recoveries == 1 && s.AcceptingErr() == nil })
	mustPut(t, s, session(1), leaf(2, 10))
	if n, err := s.Count(session(1)); n != 2 || err != nil {
		t.Fatalf("%d leaves, %v", n, err)
	}
}
