package queue

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed52205347/relayminer/pkg/async"
)

// machine does the same to a queue and to the oracle. rapid prints the seed of a run
// that fails, and shrinks it.
type machine struct {
	q      *Queue[string]
	oracle *oracle
	roomy  bool // nothing is left to the backlog, so that the order of arrival is exact
	resets int
}

func drawItem(t *rapid.T) Item[string] {
	return Item[string]{
		Key: fmt.Sprintf("k%02d", rapid.IntRange(0, 40).Draw(t, "key")),
		Priority: Priority{
			Duty:     Duty(rapid.IntRange(0, 3).Draw(t, "duty")),
			Deadline: rapid.Int64Range(0, 3).Draw(t, "deadline"),
			Reward:   rapid.Int64Range(-1, 2).Draw(t, "reward"),
		},
		Payload: rapid.StringN(0, 3, 3).Draw(t, "payload"),
	}
}

func (m *machine) add(t *rapid.T) {
	item := drawItem(t)
	m.oracle.add(item)
	m.q.Add(item)
}

func (m *machine) remove(t *rapid.T) {
	key := drawItem(t).Key
	delete(m.oracle.items, key)
	m.q.Remove(key)
}

func (m *machine) take(t *rapid.T) {
	want := m.oracle.next()
	got, ok := tryTake(t, m.q)
	if ok != (want != nil) {
		t.Fatalf("took %v %v, want %v", ok, got, want)
	}
	if !ok {
		return
	}
	if m.roomy && m.resets == 0 && got.Key != want.Key {
		t.Fatalf("took %s, want %s", got.Key, want.Key)
	}
	known := m.oracle.items[got.Key]
	if known == nil || known.Priority != got.Priority || known.Payload != got.Payload {
		t.Fatalf("took %v, which should be %v", got, known)
	}
	if Less(want.Priority, got.Priority) || known.notBefore > m.oracle.height {
		t.Fatalf("took %v of height %d, want %v", got, known.notBefore, want)
	}
	if _, held := m.oracle.hands[got.Key]; held {
		t.Fatalf("%s is worked on twice at once", got.Key)
	}
	m.oracle.take(got)
}

// held draws one of the items that were given out.
func (m *machine) held(t *rapid.T) (Item[string], bool) {
	keys := slices.Sorted(maps.Keys(m.oracle.hands))
	if len(keys) == 0 {
		return Item[string]{}, false
	}
	return m.oracle.hands[rapid.SampledFrom(keys).Draw(t, "held")], true
}

func (m *machine) done(t *rapid.T) {
	if item, ok := m.held(t); ok {
		m.q.Done(item)
		m.oracle.giveBack(item)
	}
}

func (m *machine) retry(t *rapid.T) {
	item, ok := m.held(t)
	if !ok || m.oracle.waitingForHeight() >= m.q.bound {
		return // how retries are bounded is another test's
	}
	height := m.oracle.height + rapid.Int64Range(0, 2).Draw(t, "in")
	valid := m.q.Valid(item)
	m.q.Retry(item, height)
	m.oracle.giveBack(item)
	if !valid {
		return
	}
	w := m.oracle.items[item.Key]
	if w == nil { // else it was added once more meanwhile
		m.oracle.add(item)
		w = m.oracle.items[item.Key]
	}
	w.notBefore = height
}

func (m *machine) advance(t *rapid.T) {
	height := m.oracle.height + rapid.Int64Range(-1, 2).Draw(t, "by")
	m.oracle.height = max(height, m.oracle.height)
	m.q.Advance(height)
}

func (m *machine) pause(t *rapid.T) {
	reason := Reason(rapid.IntRange(0, reasons-1).Draw(t, "reason"))
	m.oracle.paused[reason] = true
	m.q.Pause(reason, "drawn")
}

func (m *machine) resume(t *rapid.T) {
	reason := Reason(rapid.IntRange(0, reasons-1).Draw(t, "reason"))
	delete(m.oracle.paused, reason)
	m.q.Resume(reason)
}

func (m *machine) reset(t *rapid.T) {
	if rapid.IntRange(1, 8).Draw(t, "rarely") != 1 {
		return
	}
	for key, item := range m.oracle.hands {
		if !m.oracle.stale[key] && !m.q.Valid(item) { // removed: not wanted after the reset either
			m.oracle.stale[key] = true
		}
	}
	m.oracle.reset()
	m.q.Reset()
	m.resets++
}

// check compares what can be seen from outside.
func (m *machine) check(t *rapid.T) {
	s := m.q.Stats()
	if s.Waiting > m.q.bound || s.Later > m.q.bound || s.Working != len(m.oracle.hands) {
		t.Fatalf("bound %d, %d in hands: %+v", m.q.bound, len(m.oracle.hands), s)
	}
	if len(s.Paused) != len(m.oracle.paused) {
		t.Fatalf("paused %v, want %v", s.Paused, m.oracle.paused)
	}
	shown := m.q.First(s.Waiting)
	for i := 1; i < len(shown); i++ {
		if Less(shown[i].Priority, shown[i-1].Priority) {
			t.Fatalf("shown out of order: %v", shown)
		}
	}
	inHands := 0
	for key := range m.oracle.items {
		if _, held := m.oracle.hands[key]; held {
			inHands++
		}
	}
	if missing := len(m.oracle.items) - inHands - s.Waiting - s.Later; missing > 0 && !s.Backlogged {
		t.Fatalf("%d items are lost: %+v", missing, s)
	}
}

func TestQueue_DoesAsASortedSliceWould(t *testing.T) {
	for name, bounds := range map[string][]int{"roomy": {100}, "tight": {1, 2, 3, 7}} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				o := newOracle()
				q, err := New(rapid.SampledFrom(bounds).Draw(t, "bound"), o)
				if err != nil {
					t.Fatal(err)
				}
				m := &machine{q: q, oracle: o, roomy: name == "roomy"}
				t.Repeat(map[string]func(*rapid.T){
					"add": m.add, "add more": m.add, "remove": m.remove, "take": m.take, "take more": m.take,
					"done": m.done, "retry": m.retry, "advance": m.advance, "pause": m.pause,
					"resume": m.resume, "resume more": m.resume, "reset": m.reset, "": m.check,
				})
				m.drain(t)
			})
		})
	}
}

// drain gives everything back and out until nothing is left.
func (m *machine) drain(t *rapid.T) {
	for reason := range m.oracle.paused {
		m.q.Resume(reason)
	}
	clear(m.oracle.paused)
	for rounds := 0; len(m.oracle.items)+len(m.oracle.hands) > 0; rounds++ {
		if rounds > 1000 {
			t.Fatalf("%d items are not given out", len(m.oracle.items))
		}
		for _, item := range m.oracle.hands {
			m.q.Done(item)
			m.oracle.giveBack(item)
		}
		m.oracle.height++
		m.q.Advance(m.oracle.height)
		m.take(t)
	}
	if item, ok := tryTake(t, m.q); ok {
		t.Fatalf("%v is given out of nothing", item)
	}
}

// ledger is a backlog that is asked and changed concurrently, and watches that no
// item is worked on twice at once.
type ledger struct {
	mu      sync.Mutex
	open    map[string]Item[int]
	workers map[string]int
	doubled []string
}

func (l *ledger) Waiting(_ context.Context, n int, known func(string) bool) ([]Item[int], error) {
	l.mu.Lock()
	var all []Item[int]
	for _, item := range l.open {
		all = append(all, item)
	}
	l.mu.Unlock()
	slices.SortFunc(all, func(a, b Item[int]) int { return compare(a.Priority, b.Priority) })
	runtime.Gosched() // what was read may be true no more
	var items []Item[int]
	for _, item := range all {
		if len(items) < n && !known(item.Key) {
			items = append(items, item)
		}
	}
	runtime.Gosched()
	return items, nil
}

func (l *ledger) write(item Item[int]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[item.Key] = item
}

func (l *ledger) erase(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, key)
}

func (l *ledger) left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

func (l *ledger) enter(key string, by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.workers[key] += by; l.workers[key] > 1 {
		l.doubled = append(l.doubled, key)
	}
}

// disturb adds, removes and resets at random, and keeps the ledger as a caller of the
// queue has to.
func (l *ledger) disturb(q *Queue[int], random *rand.Rand, steps int) {
	for range steps {
		item := Item[int]{
			Key:      fmt.Sprint(random.IntN(200)),
			Priority: Priority{Duty: Duty(random.IntN(4)), Deadline: random.Int64N(20), Reward: random.Int64N(9)},
		}
		switch random.IntN(40) {
		case 0:
			q.Reset()
		case 1, 2, 3:
			l.erase(item.Key)
			q.Remove(item.Key)
		case 4:
			q.Pause(Disk, "full")
			q.Resume(Disk)
		default:
			l.write(item)
			q.Add(item)
		}
	}
}

// handler works on items: one time in three they are to be given out again.
func (l *ledger) handler(q *Queue[int], seed uint64) Handler[int] {
	random := rand.New(rand.NewPCG(seed, 1))
	return func(_ context.Context, item Item[int]) int64 {
		l.enter(item.Key, 1)
		defer l.enter(item.Key, -1)
		runtime.Gosched()
		if random.IntN(3) == 0 {
			return max(q.Stats().Height, 1) + random.Int64N(2) // 0 would mean done
		}
		if q.Valid(item) {
			l.erase(item.Key)
		}
		return 0
	}
}

func TestQueue_LosesNothingAmongConcurrentWorkers(t *testing.T) {
	for round := range 12 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			l := &ledger{open: make(map[string]Item[int]), workers: make(map[string]int)}
			q := mustNew(t, 1+round*3, l)
			group := async.NewGroup(context.Background())
			defer func() {
				if err := group.Stop(context.Background()); err != nil {
					t.Error(err)
				}
				if len(l.doubled) > 0 {
					t.Errorf("worked on twice at once: %v", l.doubled)
				}
			}()
			for worker := range uint64(4) {
				handle := l.handler(q, seed+worker)
				if err := group.Go("worker", func(ctx context.Context) error {
					return q.Work(ctx, handle, func(err error) { t.Error(err) })
				}); err != nil {
					t.Fatal(err)
				}
			}
			random := rand.New(rand.NewPCG(seed, 0))
			height := int64(0)
			for range 30 {
				l.disturb(q, random, 100)
				height++
				q.Advance(height)
			}
			for l.left() > 0 {
				if s := q.Stats(); s.Waiting+s.Later+s.Working == 0 && !s.Backlogged && l.left() > 0 {
					t.Fatalf("%d items are lost: %+v", l.left(), s)
				}
				height++
				q.Advance(height)
				runtime.Gosched()
			}
		})
	}
}
