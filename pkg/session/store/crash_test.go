package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// load writes to a store until it is stopped, and knows what the store has
// promised.
type load struct {
	s    *Store
	stop chan struct{}
	wg   sync.WaitGroup
	gate sync.RWMutex // locked, it keeps the load from beginning anything

	mu      sync.Mutex
	next    int                   // leaves handed over
	order   []int                 // leaves acknowledged, in that order
	synced  int                   // how many of them are synced for certain
	records map[SessionKey]uint64 // counters in records acknowledged
	failed  int                   // leaves reported as failed
}

const loadSessions = 8

func startLoad(s *Store, writers int) *load {
	l := &load{s: s, stop: make(chan struct{}), records: map[SessionKey]uint64{}}
	for w := range writers {
		l.wg.Go(func() { l.appendLeaves() })
		l.wg.Go(func() { l.putRecords(session(w)) })
	}
	return l
}

// end stops the load and waits for it.
func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
}

func (l *load) ended() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// pause waits while the gate is locked.
func (l *load) pause() {
	l.gate.RLock()
	defer l.gate.RUnlock()
}

func (l *load) appendLeaves() {
	for !l.ended() {
		l.pause()
		done := make(chan struct{}, 20)
		n := 0
		for range cap(done) {
			l.mu.Lock()
			i := l.next
			l.next++
			l.mu.Unlock()
			err := l.s.Append(session(i%loadSessions), leaf(i, 200+i%1500), func(err error) {
				l.mu.Lock()
				defer l.mu.Unlock()
				if err == nil {
					l.order = append(l.order, i)
				} else {
					l.failed++
				}
				done <- struct{}{}
			})
			if err == nil {
				n++
			}
		}
		for range n {
			<-done
		}
		if n == 0 {
			<-time.After(time.Millisecond) // the load is not to be all that runs
		}
	}
}

func (l *load) putRecords(key SessionKey) {
	for n := uint64(1); !l.ended(); n++ {
		l.pause()
		before := l.acknowledged()
		if err := l.s.PutRecord(key, binary.BigEndian.AppendUint64(nil, n)); err != nil {
			<-time.After(time.Millisecond)
			continue
		}
		l.mu.Lock()
		l.records[key] = n
		l.synced = max(l.synced, before) // a record is synced with all before it
		l.mu.Unlock()
	}
}

// acknowledged returns the number of leaves acknowledged.
func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.order)
}

// promises is what a store has promised at some moment.
type promises struct {
	leaves, synced []int
	records        map[SessionKey]uint64
}

func (l *load) promises() promises {
	l.mu.Lock()
	defer l.mu.Unlock()
	return promises{l.order[:len(l.order):len(l.order)], l.order[:l.synced], maps.Clone(l.records)}
}

// check compares what is stored with leaves that must be there, and records.
func (l *load) check(t *testing.T, s *Store, leaves []int, records map[SessionKey]uint64) {
	t.Helper()
	stored := map[int]bool{}
	for i := range loadSessions {
		for n := range indexes(t, mustCollect(t, s, session(i))) {
			stored[n] = true
		}
	}
	for _, i := range leaves {
		if !stored[i] {
			t.Fatalf("leaf %d is lost", i)
		}
	}
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	for i := range stored {
		if i >= next {
			t.Fatalf("leaf %d was never appended", i)
		}
	}
	for key, n := range records {
		bz, err := s.Record(key)
		if err != nil || binary.BigEndian.Uint64(bz) < n {
			t.Fatalf("record of %s is %x, %v; %d was acknowledged", key, bz, err, n)
		}
	}
}

// Power is lost at random moments, and any part of what was not synced with it.
func TestCrash_AcknowledgedSurvivesLossOfPower(t *testing.T) {
	for _, durability := range []Durability{Reply, Interval} {
		t.Run(durability.String(), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			mem := vfs.NewCrashableMem()
			opts := Options{
				FS: mem, Durability: durability, MemTableBytes: 128 * kib,
				QueueLen: 1000, MinFreeBytes: -1, ReclaimDelay: 1,
			}
			s := open(t, "store", opts)
			l := startLoad(s, 4)
			crashes := rounds(t, 30, 10)
			for n := range crashes {
				target := l.acknowledged() + rng.IntN(200) + 1
				eventually(t, "leaves are acknowledged", func() bool { return l.acknowledged() >= target })

				p := l.promises()
				keep := []int{0, 50, 100, rng.IntN(100)}[n%4]
				clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rng})
				l.gate.Lock() // for the test not to grow while it checks
				o := opts
				o.FS = clone
				crashed, err := Open("store", o)
				if err != nil {
					t.Fatalf("crash %d, %d%% of what was not synced is kept: %v", n, keep, err)
				}
				leaves := p.leaves
				if durability == Interval && keep < 100 {
					leaves = p.synced
				}
				l.check(t, crashed, leaves, p.records)
				closeStore(t, crashed)
				l.gate.Unlock()
			}
			l.end()
			p := l.promises()
			t.Logf("%d crashes, %d leaves acknowledged, %d commits", crashes, len(p.leaves), s.Metrics().Commits)
			if len(p.synced) == 0 || len(p.records) == 0 || l.failed > 0 {
				t.Fatalf("the load shows nothing: %d leaves synced, %d records, %d failed", len(p.synced), len(p.records), l.failed)
			}
			l.check(t, s, p.leaves, p.records)
		})
	}
}

// The log is cut off at every byte, and what follows the cut is nothing, zeros
// or garbage.
func TestCrash_TornLogKeepsWhatIsBeforeTheCut(t *testing.T) {
	mem := vfs.NewMem()
	opts := Options{FS: mem, MinFreeBytes: -1}
	s := open(t, "store", opts)
	mustPut(t, s, session(0), leaf(0, 100))
	closeStore(t, s) // so that the format is in a table and the log is a new one
	s = open(t, "store", opts)
	log := newestLog(t, mem, "store")
	size := func() int {
		info, err := mem.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Size())
	}
	ends := []int{0}
	for i := 1; i <= 8; i++ {
		mustPut(t, s, session(0), leaf(i, 20*i))
		ends = append(ends, size())
	}
	// What the log says is done by now; the rest of the files does not change.
	image := readFiles(t, mem, "store")
	content := image[path.Base(log)]
	if len(content) != size() {
		t.Fatalf("read %d bytes of %d", len(content), size())
	}
	step := 1
	if testing.Short() {
		step = 13
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for cut := 0; cut <= len(content); cut += step {
		tail := make([]byte, len(content)-cut)
		switch cut / step % 3 {
		case 0:
			tail = nil
		case 1:
			for i := range tail {
				tail[i] = byte(rng.Uint32())
			}
		}
		torn := vfs.NewMem()
		image[path.Base(log)] = append(slices.Clone(content[:cut]), tail...)
		writeFiles(t, torn, "store", image)
		o := opts
		o.FS = torn
		s, err := Open("store", o)
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", cut, len(content), err)
		}
		found := indexes(t, mustCollect(t, s, session(0)))
		for i, end := range ends {
			if end <= cut && !found[i] {
				t.Fatalf("cut at %d: leaf %d, which ends at %d, is lost", cut, i, end)
			}
		}
		// And it is a store that works.
		mustPut(t, s, session(0), leaf(100, 10))
		closeStore(t, s)
	}
}

func newestLog(t *testing.T, files vfs.FS, dir string) string {
	t.Helper()
	names, err := files.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".log") })
	if len(names) == 0 {
		t.Fatal("there is no log")
	}
	return files.PathJoin(dir, slices.Max(names))
}

func readFiles(t *testing.T, files vfs.FS, dir string) map[string][]byte {
	t.Helper()
	names, err := files.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	image := map[string][]byte{}
	for _, name := range names {
		f, err := files.Open(files.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		bz, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		image[name] = bz
	}
	return image
}

func writeFiles(t *testing.T, files vfs.FS, dir string, image map[string][]byte) {
	t.Helper()
	if err := files.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, bz := range image {
		if err := writeFile(files, files.PathJoin(dir, name), bz); err != nil {
			t.Fatal(err)
		}
	}
}

func writeFile(files vfs.FS, name string, bz []byte) error {
	f, err := files.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("creating %s: %w", name, err)
	}
	_, err = f.Write(slices.Clone(bz)) // a file may change what it is given
	return errors.Join(err, f.Close())
}
