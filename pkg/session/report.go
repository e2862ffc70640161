package session

import (
	"context"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/session/prover"
	"github.com/seed52205347/relayminer/pkg/session/queue"
)

// QueueStatus is how a queue of work stands.
type QueueStatus struct {
	Length   int          `json:"length"`           // sessions that wait for a worker or a height
	Capacity int          `json:"capacity"`         // that can wait in memory
	InWork   int          `json:"in_work"`          // sessions that are worked on
	Workers  int          `json:"workers"`          // that there are
	Paused   []string     `json:"paused,omitempty"` // why claims are held, if they are
	Counts   queue.Counts `json:"counts"`           // since the start
}

// QueueReporter is implemented by a sessions manager that has a queue.
type QueueReporter interface {
	QueueStatus() QueueStatus
}

// ProverStatus is how a pool of provers stands.
type ProverStatus struct {
	Provers int            `json:"provers"` // that there are
	Busy    int            `json:"busy"`    // of them
	Members []prover.Stats `json:"members"`
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

// RiskReporter is implemented by a sessions manager that watches over its windows.
type RiskReporter interface {
	AtRisk() AtRisk
}

var (
	_ QueueReporter  = (*sessionsManager)(nil)
	_ ProverReporter = (*sessionsManager)(nil)
	_ WorkReporter   = (*sessionsManager)(nil)
	_ RiskReporter   = (*sessionsManager)(nil)
)

// QueueStatus implements QueueReporter.
func (m *sessionsManager) QueueStatus() QueueStatus {
	stats := m.queue.Stats()
	status := QueueStatus{
		Length: stats.Waiting + stats.Later, Capacity: stats.Bound, InWork: stats.Working, Workers: stepWorkers, Counts: stats.Counts,
	}
	for _, paused := range stats.Paused {
		status.Paused = append(status.Paused, fmt.Sprintf("%s since %d: %s", paused.Reason, paused.Since, paused.Detail))
	}
	return status
}

// ProverStatus implements ProverReporter.
func (m *sessionsManager) ProverStatus() ProverStatus {
	status := ProverStatus{Members: m.provers.Stats()}
	status.Provers = len(status.Members)
	for _, member := range status.Members {
		if member.State == prover.Working {
			status.Busy++
		}
	}
	return status
}

// Goroutines implements WorkReporter. It must not be called before Start.
func (m *sessionsManager) Goroutines() int { return m.group.Len() + m.waits.Len() }

// Pause holds claims until Resume or the next start. Required proofs are never held.
func (m *sessionsManager) Pause(reason string) error {
	m.queue.Pause(queue.Operator, reason)
	m.log.Warn("claims are held by the operator", "reason", reason)
	return nil
}

// Resume lets claims go on.
func (m *sessionsManager) Resume() error {
	m.queue.Resume(queue.Operator)
	m.log.Info("claims go on")
	return nil
}

// Flush takes the steps that are due and were put off until the next block, and
// returns when everything that the store has taken is synced to the disk.
func (m *sessionsManager) Flush(ctx context.Context) error {
	height := m.height()
	m.mu.Lock()
	for _, tree := range m.trees {
		if !tree.busy {
			tree.workedAt = 0
		}
	}
	m.mu.Unlock()
	for _, item := range m.due(height) {
		m.queue.Remove(item.Key) // it may wait for the next block
		m.queue.Add(item)
	}
	return m.store.Sync(ctx)
}
