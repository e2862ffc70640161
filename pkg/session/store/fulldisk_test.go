package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// On a disk that is full for all writes, intake stops and what is there can be
// read for as long as it lasts.
func TestFault_FullDiskStopsIntakeOnly(t *testing.T) {
	fault := newSwitchable(syscall.ENOSPC, "write *", "sync *", "create *")
	opts := faultOptions(&faults{vfs.NewMem(), fault.fail})
	s := open(t, "store", opts)
	for i := range 200 {
		mustPut(t, s, session(1), leaf(i, 1000))
	}
	if err := s.PutRecord(session(1), []byte("record")); err != nil {
		t.Fatal(err)
	}
	fault.on.Store(true)
	if err := put(t, s, session(1), leaf(200, 1000)); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("append: %v", err)
	}
	probes := fault.hits.Load() + 10
	eventually(t, "the disk is probed", func() bool { return fault.hits.Load() > probes })
	for name, err := range map[string]error{
		"accepting": s.AcceptingErr(), "writable": s.WritableErr(), "append": put(t, s, session(1), leaf(201, 10)),
		"record": s.PutRecord(session(1), nil), "sync": s.Sync(context.Background()),
		"delete": s.DeleteSession(session(1)), "cursor": s.SetCursor("c", 1), "checkpoint": s.Checkpoint("copy"),
	} {
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stored := indexes(t, mustCollect(t, s, session(1)))
	for i := range 200 {
		if !stored[i] {
			t.Fatalf("leaf %d can not be read", i)
		}
	}
	if bz, err := s.Record(session(1)); err != nil || string(bz) != "record" {
		t.Fatalf("record: %q, %v", bz, err)
	}
	fault.on.Store(false)
	eventually(t, "the store recovers", func() bool { return s.AcceptingErr() == nil })
	mustPut(t, s, session(1), leaf(202, 10))
	if stored := indexes(t, mustCollect(t, s, session(1))); len(stored) < 201 || !stored[202] {
		t.Fatalf("%d leaves", len(stored))
	}
}

func TestStore_LowDiskSpaceStopsIntake(t *testing.T) {
	mem := vfs.NewMem()
	space := func(n uint64) { mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: n, TotalBytes: 1 << 40}) }
	space(1000)
	s := open(t, "store", Options{FS: mem, MinFreeBytes: 800, ProbeEvery: time.Millisecond})
	if err := s.AcceptingErr(); err != nil {
		t.Fatal(err)
	}
	space(799)
	eventually(t, "intake stops", func() bool { return errors.Is(s.AcceptingErr(), ErrUnavailable) })
	if err := put(t, s, session(1), leaf(1, 10)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("append: %v", err)
	}
	if err := s.PutRecord(session(1), nil); err != nil {
		t.Fatalf("a record has to be written still: %v", err)
	}
	if err := s.WritableErr(); err != nil {
		t.Fatalf("a record can be written: %v", err)
	}
	space(850) // not enough to begin again
	for range 5 {
		if err := s.AcceptingErr(); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("with little space: %v", err)
		}
		if err := s.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	space(900)
	eventually(t, "intake resumes", func() bool { return s.AcceptingErr() == nil })
	mustPut(t, s, session(1), leaf(1, 10))
}

func TestOpen_FailsOnAFailingDisk(t *testing.T) {
	for _, existing := range []bool{false, true} {
		for _, what := range []string{
			"create log", "create manifest", "write manifest", "sync manifest", "create marker", "sync dir", "rename other", "sync log",
			"create table", "write table", "sync table",
		} {
			t.Run(fmt.Sprintf("%s/existing %t", what, existing), func(t *testing.T) {
				fault := newSwitchable(syscall.EIO, what)
				mem := vfs.NewCrashableMem()
				if existing {
					opts := faultOptions(mem)
					opts.MemTableBytes = mib
					s := open(t, "store", opts)
					for i := range 10 {
						mustPut(t, s, session(1), leaf(i, 1000))
					}
					mem = mem.CrashClone(vfs.CrashCloneCfg{}) // with a log to be replayed
				}
				opts := faultOptions(&faults{mem, fault.fail})
				fault.on.Store(true)
				s, err := Open("store", opts)
				if err == nil {
					if fault.hits.Load() > 0 {
						t.Fatal("it opened in spite of the fault")
					}
					fault.on.Store(false)
					closeStore(t, s)
				} else if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "store") {
					t.Fatalf("the error does not say why or where: %v", err)
				}
				fault.on.Store(false)
				s = open(t, "store", opts)
				if n, err := s.Count(session(1)); err != nil || existing && n != 10 {
					t.Fatalf("%d leaves, %v", n, err)
				}
			})
		}
	}
}
