package queue

import (
	"cmp"
	"slices"
)

// place is where an entry is.
type place int

const (
	waiting place = iota // in line
	later                // not before a height
	working              // given out
)

// entry is what the queue knows of a key.
type entry[P any] struct {
	item    Item[P]
	arrival uint64 // orders equally urgent items
	place   place

	// While it is worked on:
	again   *entry[P] // to be worked on once more afterwards
	removed bool      // to be dropped when it is given back
	stale   bool      // given out in a generation that was discarded
}

// byUrgency orders entries as they are given out. It is a total order, because no
// two have arrived at once.
func byUrgency[P any](a, b *entry[P]) int {
	return cmp.Or(compare(a.item.Priority, b.item.Priority), cmp.Compare(a.arrival, b.arrival))
}

// byHeight orders entries as they become due.
func byHeight[P any](a, b *entry[P]) int {
	return cmp.Or(cmp.Compare(a.item.NotBefore, b.item.NotBefore), byUrgency(a, b))
}

// line is a sorted list of entries. Insertion and removal move memory, which for
// the few thousand pointers that a queue is bounded by costs less than a tree.
type line[P any] struct {
	entries []*entry[P]
	compare func(a, b *entry[P]) int
}

func (l *line[P]) len() int { return len(l.entries) }

func (l *line[P]) insert(e *entry[P]) {
	i, _ := slices.BinarySearchFunc(l.entries, e, l.compare)
	l.entries = slices.Insert(l.entries, i, e)
}

// remove takes out an entry that is in the line and whose order has not changed
// since it was inserted.
func (l *line[P]) remove(e *entry[P]) {
	if i, found := slices.BinarySearchFunc(l.entries, e, l.compare); found {
		l.entries = slices.Delete(l.entries, i, i+1)
	}
}

// first returns the first entry, nil if there is none.
func (l *line[P]) first() *entry[P] {
	if len(l.entries) == 0 {
		return nil
	}
	return l.entries[0]
}

// last returns the last entry, nil if there is none.
func (l *line[P]) last() *entry[P] {
	if len(l.entries) == 0 {
		return nil
	}
	return l.entries[len(l.entries)-1]
}
