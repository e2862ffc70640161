package session

// QueueStatus is how a queue of work stands.
type QueueStatus struct {
	Length   int      `json:"length"`           // items that wait
	Capacity int      `json:"capacity"`         // that can wait
	InWork   int      `json:"in_work"`          // items that are worked on
	Paused   []string `json:"paused,omitempty"` // why work is held, if it is
}

// QueueReporter is implemented by a sessions manager that has a queue.
type QueueReporter interface {
	QueueStatus() QueueStatus
}

// ProverStatus is how a pool of provers stands.
type ProverStatus struct {
	Provers int `json:"provers"` // that there are
	Busy    int `json:"busy"`    // of them
	Waiting int `json:"waiting"` // proofs that wait for one
}

// ProverReporter is implemented by a sessions manager that has a pool of provers.
type ProverReporter interface {
	ProverStatus() ProverStatus
}

// WorkReporter is implemented by a sessions manager that is started.
type WorkReporter interface {
	// Goroutines returns how many goroutines work on sessions.
	Goroutines() int
}

var _ WorkReporter = (*sessionsManager)(nil)

// Goroutines implements WorkReporter. It must not be called before Start.
func (m *sessionsManager) Goroutines() int { return m.group.Len() }
