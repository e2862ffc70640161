package queue

// Reason says why work is paused.
type Reason int

// The reasons. Each can be there or not, whatever the others are.
const (
	Disk     Reason = iota // nothing can be written down
	Operator               // the operator said so

	reasons = iota
)

// String returns the reason's name for the operator.
func (r Reason) String() string {
	return [...]string{"disk", "operator"}[r]
}

// MarshalText returns the reason's name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Paused is a reason for which work is paused.
type Paused struct {
	Reason Reason `json:"reason"`
	Detail string `json:"detail"` // for the operator, such as "fees are high"
	Since  int64  `json:"since"`  // height
}

// Pause holds items back for a reason, whose detail it replaces if it is there
// already. Required proofs and urgent claims are given out all the same. What was taken stays with its
// worker. Reasons other than the constants of this package panic.
func (q *Queue[P]) Pause(reason Reason, detail string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.paused[reason] == nil {
		q.paused[reason] = &Paused{Reason: reason, Since: q.height}
	}
	q.paused[reason].Detail = detail
}

// Resume takes a reason back. Work goes on when none is left.
func (q *Queue[P]) Resume(reason Reason) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.paused[reason] != nil {
		q.paused[reason] = nil
		q.wake()
	}
}

func (q *Queue[P]) isPaused() bool { return q.paused != [reasons]*Paused{} }
