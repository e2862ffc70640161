package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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
