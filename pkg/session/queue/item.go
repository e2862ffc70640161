package queue

import "cmp"

// Duty says what follows if an item is not worked on in time. Greater duties go
// first.
type Duty int

// The duties, the least one first.
const (
	Other         Duty = iota // nothing is lost: settlements are looked up, records purged
	Claim                     // the relays of the session go unpaid
	UrgentClaim               // the same, and soon: it is never held
	RequiredProof             // the session goes unpaid and its supplier is slashed (x/proof)
)

// String returns the duty's name for the operator.
func (d Duty) String() string {
	switch d {
	case RequiredProof:
		return "required_proof"
	case UrgentClaim:
		return "urgent_claim"
	case Claim:
		return "claim"
	default:
		return "other"
	}
}

// MarshalText returns the duty's name.
func (d Duty) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Priority says how urgent an item is.
type Priority struct {
	// Duty decides first.
	Duty Duty `json:"duty"`
	// Deadline is the height at which the work is of no use any more, such as
	// that at which a window closes. 0 or less stands for none.
	Deadline int64 `json:"deadline,omitempty"`
	// Reward is what the work brings less what it costs, in upokt.
	Reward int64 `json:"reward_upokt"`
}

// Less reports whether a is more urgent than b: its duty is greater; if they are
// equal, its deadline is earlier; if those are equal too, its reward is larger. An
// item with a deadline goes before one without. It is a strict weak order, and the
// one in which a Backlog answers.
func Less(a, b Priority) bool { return compare(a, b) < 0 }

// compare is negative when a is more urgent than b.
func compare(a, b Priority) int {
	return cmp.Or(
		cmp.Compare(b.Duty, a.Duty),
		cmp.Compare(a.lastHeight(), b.lastHeight()),
		cmp.Compare(b.Reward, a.Reward),
	)
}

// lastHeight is the deadline, so that none compares as later than any. Unsigned
// numbers have room for one more.
func (p Priority) lastHeight() uint64 {
	if p.Deadline <= 0 {
		return 1 << 63
	}
	return uint64(p.Deadline)
}

// Item is a piece of work. Items are values: changing one that was added or taken
// changes nothing in the queue.
type Item[P any] struct {
	// Key identifies the work, such as the kind of step and the session. There is
	// one item of a key in the queue.
	Key string `json:"key"`
	// Priority says when it is given out.
	Priority
	// Payload is what the worker gets. The queue does not look at it.
	Payload P `json:"-"`

	// Attempts is how often the item was given back by Retry since it was added.
	// It is set by the queue, as are those below.
	Attempts int `json:"attempts"`
	// NotBefore is the height before which it is not given out, 0 if there is none.
	NotBefore int64 `json:"not_before,omitempty"`
	// Generation is that in which it was given out, 0 before.
	Generation uint64 `json:"generation,omitempty"`

	ticket uint64 // identifies the one time that it was given out
}
