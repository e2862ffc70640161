package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// kind names what a file is, by its name.
func kind(name string) string {
	base := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case strings.HasSuffix(base, ".log"):
		return "log"
	case strings.HasSuffix(base, ".sst"):
		return "table"
	case strings.HasPrefix(base, "MANIFEST"):
		return "manifest"
	case strings.HasPrefix(base, "marker"):
		return "marker"
	case base == probeName:
		return "probe"
	case base == "store":
		return "dir"
	}
	return "other"
}

// switchable is a fault that is on for some files and operations, as in "sync
// log", until it is switched off.
type switchable struct {
	on   atomic.Bool
	hits atomic.Int64
	err  error
	what map[string]bool
}

func newSwitchable(err error, what ...string) *switchable {
	s := &switchable{err: err, what: map[string]bool{}}
	for _, w := range what {
		s.what[w] = true
	}
	return s
}

func (s *switchable) fail(op, name string) error {
	k := kind(name)
	if !s.on.Load() || (!s.what[op+" "+k] && !s.what[op+" *"]) {
		return nil
	}
	s.hits.Add(1)
	return fmt.Errorf("%s %s: %w", op, k, s.err)
}

// faultOptions are options that make files change often and recovery quick.
func faultOptions(fs vfs.FS) Options {
	return Options{
		FS: fs, MemTableBytes: 64 * kib, MinFreeBytes: -1,
		ProbeEvery: 20 * time.Millisecond, ReclaimDelay: time.Millisecond, StallAfter: time.Minute,
	}
}

// Whatever write of whatever file fails: nothing that was acknowledged is lost,
// what was not is reported, the store says that it takes nothing, what is stored
// is readable, and all is well again when the disk is.
func TestFault_StoreSurvivesFailedWrites(t *testing.T) {
	for _, c := range []struct {
		what    string
		freezes bool // the failure goes beyond the tables
		reopens bool // the store can be opened, so that it is readable in between
	}{
		{"write log", true, true},
		{"sync log", true, true},
		{"close log", true, true},
		{"create log", true, false},
		{"write manifest", true, false},
		{"sync manifest", true, false},
		{"sync dir", true, false},
		{"create table", false, false},
		{"write table", false, false},
		{"sync table", false, false},
	} {
		for _, errno := range []error{syscall.EIO, syscall.ENOSPC} {
			for _, durability := range []Durability{Reply, Interval} {
				t.Run(fmt.Sprintf("%s/%s/%s", c.what, errno, durability), func(t *testing.T) {
					testFailedWrites(t, newSwitchable(errno, c.what), durability, c.freezes, c.reopens)
				})
			}
		}
	}
}

func testFailedWrites(t *testing.T, fault *switchable, durability Durability, freezes, reopens bool) {
	mem := vfs.NewMem()
	opts := faultOptions(&faults{mem, fault.fail})
	opts.Durability = durability
	s := open(t, "store", opts)
	key, before := session(99), 20
	for i := range before {
		mustPut(t, s, key, leaf(i, 1000))
	}
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}

	l := startLoad(s, 2)
	eventually(t, "there is some load", func() bool { return l.acknowledged() > 200 })
	fault.on.Store(true)
	eventually(t, "the fault shows", func() bool { return errors.Is(s.AcceptingErr(), ErrUnavailable) })
	if err := s.AcceptingErr(); !errors.Is(err, fault.err) {
		t.Fatalf("the cause is not told: %v", err)
	}
	if err := put(t, s, key, leaf(before, 10)); !errors.Is(err, ErrUnavailable) && err != nil {
		t.Fatalf("append: %v", err)
	}
	found, err := collect(s, key)
	for reopens && errors.Is(err, ErrUnavailable) { // it is trying to recover just now
		found, err = collect(s, key)
	}
	if err == nil {
		for i, stored := 0, indexes(t, found); i < before; i++ {
			if !stored[i] {
				t.Fatalf("leaf %d can not be read", i)
			}
		}
	} else if !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}

	fault.on.Store(false)
	after := l.acknowledged() + 200
	eventually(t, "the store recovers", func() bool { return s.AcceptingErr() == nil && l.acknowledged() > after })
	l.end()
	if freezes && s.Metrics().Recoveries == 0 {
		t.Error("it recovered from nothing")
	}
	mustPut(t, s, key, leaf(before+1, 10))
	p := l.promises()
	if durability == Interval && freezes {
		p.leaves = p.synced
	}
	l.check(t, s, p.leaves, p.records)
	closeStore(t, s)

	opts.FS = mem
	s = open(t, "store", opts)
	l.check(t, s, p.leaves, p.records)
	if stored := indexes(t, mustCollect(t, s, key)); !stored[0] || !stored[before-1] || !stored[before+1] {
		t.Fatalf("leaves are lost: %v", stored)
	}
}

// A table that pebble does not try to write again does not stop intake forever.
func TestFault_TableThatIsGivenUp(t *testing.T) {
	fault := newSwitchable(syscall.ENOSPC, "write table")
	opts := faultOptions(&faults{vfs.NewMem(), fault.fail})
	opts.MemTableBytes = mib
	s := open(t, "store", opts)
	for i := range 100 {
		mustPut(t, s, session(i%2), leaf(i, 1000))
	}
	flush(t, s)
	for i := range 100 {
		mustPut(t, s, session(i%2), leaf(100+i, 1000))
	}
	flush(t, s)
	fault.on.Store(true)
	if err := s.DeleteSession(session(0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the fault shows", func() bool { return errors.Is(s.AcceptingErr(), syscall.ENOSPC) })
	fault.on.Store(false)
	eventually(t, "intake resumes", func() bool { return s.AcceptingErr() == nil })
	mustPut(t, s, session(0), leaf(1, 10))
}

// Everything fails at random, for a while, many times over.
func TestFault_StoreSurvivesStorms(t *testing.T) {
	storms := rounds(t, 8, 3)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex
	var probability float64
	fail := func(op, name string) error {
		mu.Lock()
		defer mu.Unlock()
		if rng.Float64() >= probability {
			return nil
		}
		return fmt.Errorf("%s %s: %w", op, kind(name), []error{syscall.EIO, syscall.ENOSPC}[rng.IntN(2)])
	}
	weather := func(p float64) {
		mu.Lock()
		defer mu.Unlock()
		probability = p
	}
	mem := vfs.NewCrashableMem()
	opts := faultOptions(&faults{mem, fail})
	s := open(t, "store", opts)
	l := startLoad(s, 3)
	for n := range storms {
		for _, p := range []float64{0, 0.003, 0.05, 0.5} {
			weather(p)
			target := s.Metrics().Recoveries + 3
			begin := l.acknowledged()
			eventually(t, "something happens", func() bool {
				return s.Metrics().Recoveries >= target || l.acknowledged() > begin+300 || p == 0.5
			})
		}
		weather(0)
		eventually(t, "the store recovers", func() bool { return s.AcceptingErr() == nil })
		p := l.promises()
		clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 25 * (n % 5), RNG: rand.New(rand.NewPCG(seed, uint64(n)))})
		l.gate.Lock()
		o := opts
		o.FS = clone
		crashed, err := Open("store", o)
		if err != nil {
			t.Fatalf("storm %d: %v", n, err)
		}
		l.check(t, crashed, p.leaves, p.records)
		closeStore(t, crashed)
		l.gate.Unlock()
	}
	l.end()
	eventually(t, "the store recovers", func() bool { return s.AcceptingErr() == nil })
	p := l.promises()
	t.Logf("%d storms, %d recoveries, %d leaves acknowledged, %d failed, %d records",
		storms, s.Metrics().Recoveries, len(p.leaves), l.failed, len(p.records))
	l.check(t, s, p.leaves, p.records)
}

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
		"accepting": s.AcceptingErr(), "append": put(t, s, session(1), leaf(201, 10)),
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
