package queue

import (
	"context"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// oracle is what the queue should be, in the simplest way: it knows all items and
// sorts them each time. It is the queue's backlog too.
type oracle struct {
	items    map[string]*wanted
	hands    map[string]Item[string] // given out and not given back
	stale    map[string]bool         // of those in hands: given out before the last reset
	paused   map[Reason]bool
	height   int64
	arrivals int
}

// wanted is an item that is to be given out.
type wanted struct {
	Item[string]
	arrival   int
	notBefore int64
}

func newOracle() *oracle {
	return &oracle{
		items:  make(map[string]*wanted),
		hands:  make(map[string]Item[string]),
		stale:  make(map[string]bool),
		paused: make(map[Reason]bool),
	}
}

// Waiting implements Backlog.
func (o *oracle) Waiting(_ context.Context, n int, known func(string) bool) ([]Item[string], error) {
	var items []Item[string]
	for _, w := range o.sorted() {
		if len(items) < n && !known(w.Key) {
			items = append(items, w.Item)
		}
	}
	return items, nil
}

func (o *oracle) sorted() []*wanted {
	var all []*wanted
	for _, w := range o.items {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *wanted) int {
		switch {
		case Less(a.Priority, b.Priority):
			return -1
		case Less(b.Priority, a.Priority):
			return 1
		}
		return a.arrival - b.arrival
	})
	return all
}

// next returns the item that is to be given out now, nil if there is none.
func (o *oracle) next() *wanted {
	for _, w := range o.sorted() {
		_, held := o.hands[w.Key]
		if !held && w.notBefore <= o.height && (len(o.paused) == 0 || w.Duty >= UrgentClaim) {
			return w
		}
	}
	return nil
}

func (o *oracle) add(item Item[string]) {
	w := o.items[item.Key]
	if w == nil {
		o.arrivals++
		w = &wanted{arrival: o.arrivals}
		o.items[item.Key] = w
	}
	w.Item = item
}

func (o *oracle) take(item Item[string]) {
	delete(o.items, item.Key)
	o.hands[item.Key] = item
}

func (o *oracle) giveBack(item Item[string]) {
	delete(o.hands, item.Key)
	delete(o.stale, item.Key)
}

// waitingForHeight counts what was retried at a height that is not reached.
func (o *oracle) waitingForHeight() (n int) {
	for _, w := range o.items {
		if w.notBefore > o.height {
			n++
		}
	}
	return n
}

func (o *oracle) reset() {
	o.height = 0
	for _, w := range o.items {
		w.notBefore = 0
	}
	for key, item := range o.hands {
		if !o.stale[key] {
			o.stale[key] = true
			o.add(item)
		}
	}
}

// tryTake is Take without the waiting.
func tryTake[P any](t rapid.TB, q *Queue[P]) (Item[P], bool) {
	t.Helper()
	for {
		item, next := q.look()
		switch {
		case next.read != nil:
			if err := q.read(context.Background(), next.read); err != nil {
				t.Fatal(err)
			}
		case next.wait != nil:
			return item, false
		default:
			return item, true
		}
	}
}

func mustNew[P any](t rapid.TB, bound int, backlog Backlog[P]) *Queue[P] {
	t.Helper()
	q, err := New(bound, backlog)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
