package queue

// Counts are what has happened since the queue was made.
type Counts struct {
	Added    uint64 `json:"added"`    // items of keys that memory did not hold
	Updated  uint64 `json:"updated"`  // items of keys that it held
	Taken    uint64 `json:"taken"`    // items given out
	Done     uint64 `json:"done"`     // items given back by Done
	Retried  uint64 `json:"retried"`  // items given back by Retry
	Removed  uint64 `json:"removed"`  // items removed out of memory
	Dropped  uint64 `json:"dropped"`  // items given back that had been removed
	Stale    uint64 `json:"stale"`    // items given back that were stale, or not given out
	Spilled  uint64 `json:"spilled"`  // items left to the backlog at a bound
	Refilled uint64 `json:"refilled"` // items read from the backlog
}

// Stats say how a queue is doing.
type Stats struct {
	Waiting int `json:"waiting"` // items in line
	Later   int `json:"later"`   // items that wait for a height
	Working int `json:"working"` // items that are given out
	Bound   int `json:"bound"`   // of Waiting, and of Later
	// Backlogged says that the backlog may hold more items than memory does.
	Backlogged bool `json:"backlogged"`
	// OldestDeadline is the lowest deadline of the items in memory, those that are
	// worked on included; 0 if none has one.
	OldestDeadline int64    `json:"oldest_deadline,omitempty"`
	Paused         []Paused `json:"paused,omitempty"` // empty unless work is paused
	Height         int64    `json:"height"`
	Generation     uint64   `json:"generation"`
	Counts
}

// Stats returns how the queue is doing.
func (q *Queue[P]) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{
		Waiting:    q.ready.len(),
		Later:      q.delayed.len(),
		Working:    len(q.entries) - q.ready.len() - q.delayed.len(),
		Bound:      q.bound,
		Backlogged: q.spill.any,
		Height:     q.height,
		Generation: q.generation,
		Counts:     q.counts,
	}
	for _, e := range q.entries {
		if d := e.item.Deadline; d > 0 && (s.OldestDeadline == 0 || d < s.OldestDeadline) {
			s.OldestDeadline = d
		}
	}
	for _, paused := range q.paused {
		if paused != nil {
			s.Paused = append(s.Paused, *paused)
		}
	}
	return s
}

// First returns up to n items of those in memory that are not worked on: first those
// in line in their order, then those that wait for a height.
func (q *Queue[P]) First(n int) []Item[P] {
	q.mu.Lock()
	defer q.mu.Unlock()
	var items []Item[P]
	for _, l := range []*line[P]{&q.ready, &q.delayed} {
		for _, e := range l.entries[:min(max(n-len(items), 0), l.len())] {
			items = append(items, e.item)
		}
	}
	return items
}
