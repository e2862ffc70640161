package prover

import (
	"errors"
	"slices"
	"time"
)

// Member is a prover of a pool.
type Member struct {
	// ID names the prover to the operator. It is unique in its pool.
	ID string
	// Prover gets one job at a time.
	Prover Prover
	// Local says that the prover is on this machine: it is asked whether it is ready
	// by nobody, takes the time that it takes, and never cools off.
	Local bool
}

// State says what a prover is doing.
type State string

// The states of a prover.
const (
	Idle    State = "idle"
	Working State = "working"
	Cooling State = "cooling" // was busy, slow or failed, and is left alone for a while
	Failed  State = "failed"  // cools off and has failed three times in a row, or more
)

const (
	failedAfter = 3  // failures in a row
	timesKept   = 32 // durations of which the median is shown
)

// Stats say how a prover is doing.
type Stats struct {
	ID      string        `json:"id"`
	Local   bool          `json:"local"`
	State   State         `json:"state"`
	Session string        `json:"session,omitempty"` // that it works on
	Proofs  uint64        `json:"proofs"`            // built and verified
	Failed  uint64        `json:"failed"`            // jobs that it did not bring to an end, and calls without answer
	Median  time.Duration `json:"median_ns"`         // of the last 32 proofs, 0 before the first
	Error   string        `json:"error,omitempty"`   // of the last failure, if it has failed since the last proof
}

// member is a Member and what the pool knows of it, guarded by the pool's mu.
type member struct {
	Member
	busy     bool
	session  string
	failures int       // in a row
	until    time.Time // cools off until then
	err      error     // nil after a proof
	proofs   uint64
	failed   uint64
	times    []time.Duration // a ring of the last ones
}

// cooling returns how long the prover is still to be left alone.
func (m *member) cooling(now time.Time) time.Duration { return max(m.until.Sub(now), 0) }

// succeeded notes a proof.
func (m *member) succeeded(took time.Duration) {
	m.failures, m.err, m.until = 0, nil, time.Time{}
	if len(m.times) < timesKept {
		m.times = append(m.times, took)
	} else {
		m.times[m.proofs%timesKept] = took
	}
	m.proofs++
}

// blame notes that the prover did not do what it was asked to. The first pause is
// doubled for each failure in a row, up to the longest. To be busy is no failure.
func (m *member) blame(err error, now time.Time, first, longest time.Duration) {
	m.err = err
	pause := first
	if !errors.Is(err, ErrBusy) {
		m.failed++
		m.failures++
		for range m.failures - 1 {
			if pause *= 2; pause >= longest {
				pause = longest
				break
			}
		}
	}
	if !m.Local {
		m.until = now.Add(pause)
	}
}

// stats returns how the prover is doing.
func (m *member) stats(now time.Time) Stats {
	s := Stats{ID: m.ID, Local: m.Local, State: Idle, Session: m.session, Proofs: m.proofs, Failed: m.failed}
	switch {
	case m.busy:
		s.State = Working
	case m.cooling(now) > 0 && m.failures >= failedAfter:
		s.State = Failed
	case m.cooling(now) > 0:
		s.State = Cooling
	}
	if m.err != nil {
		s.Error = m.err.Error()
	}
	if len(m.times) > 0 {
		s.Median = slices.Sorted(slices.Values(m.times))[len(m.times)/2]
	}
	return s
}
