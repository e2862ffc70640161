package session

import (
	"errors"
	"sync/atomic"
	"time"
)

const (
	// watchMargin is how many blocks before its window closes a claim or a required
	// proof that is not in force is told of.
	watchMargin = 2
	// stuckBlocks and stuckTime are what a step may take, both of them: blocks that
	// were held up come all at once, and say nothing about a step. What it does is
	// bounded: calls have timeouts, of which some follow upon one another, and trees
	// are walked at a speed of millions of leaves a second.
	stuckBlocks = 2
	stuckTime   = time.Minute
)

// errStuck ends a step that takes too long.
var errStuck = errors.New("the step took too many blocks")

// watchdog counts what the watch over obligations has found.
type watchdog struct {
	claims  atomic.Int64 // claims at risk, as of the newest block
	proofs  atomic.Int64 // required proofs at risk, as of the newest block
	restart atomic.Uint64
}

// AtRisk are obligations that are not met though their windows are about to close.
type AtRisk struct {
	// Claims are sessions that are not claimed, whose relays will go unpaid.
	Claims int64 `json:"claims"`
	// Proofs are claims without the proof that they need or may need, for which
	// suppliers will be slashed.
	Proofs int64 `json:"proofs"`
	// Restarted is how many steps were ended because they took too long, and
	// taken again.
	Restarted uint64 `json:"restarted"`
}

// AtRisk returns which obligations are at risk as of the newest block.
func (m *sessionsManager) AtRisk() AtRisk {
	return AtRisk{
		Claims: m.watchdog.claims.Load(), Proofs: m.watchdog.proofs.Load(), Restarted: m.watchdog.restart.Load(),
	}
}

// watch looks after every session, whoever works on it or should: it tells of
// obligations that are about to be missed, and ends steps that do not come to their
// end, so that they are taken again.
func (m *sessionsManager) watch(height int64) {
	m.mu.Lock()
	trees := make([]*liveTree, 0, len(m.trees))
	for _, tree := range m.trees {
		if tree.interrupt != nil && height-tree.workedAt >= stuckBlocks && time.Since(tree.began) >= m.stuckTime {
			tree.interrupt(errStuck)
			tree.interrupt = nil
			m.watchdog.restart.Add(1)
			m.log.Error("session step is stuck and is ended", "session", tree.key.String(), "began", tree.workedAt, "height", height)
		}
		trees = append(trees, tree)
	}
	m.mu.Unlock()
	var claims, proofs int64
	for _, tree := range trees {
		switch tree.risk(height) {
		case riskClaim:
			claims++
		case riskProof:
			proofs++
		default:
			continue
		}
		m.alarm(tree, height)
	}
	m.watchdog.claims.Store(claims)
	m.watchdog.proofs.Store(proofs)
}

// risk is what is about to be missed.
type risk int

const (
	riskNone  risk = iota
	riskClaim      // the relays go unpaid
	riskProof      // and the supplier is slashed
)

// risk says what is about to be missed at the height. A session that was only just
// found to be in its window is not at risk yet. One that is open then cannot be
// sealed.
func (t *liveTree) risk(height int64) risk {
	record, w := t.snapshot(), t.windows()
	if w == nil {
		return riskNone
	}
	switch record.State {
	case StateOpen, StateSealed, StateClaiming:
		if height >= max(w.ClaimClose-watchMargin, w.ClaimOpen+1) && height <= w.ClaimClose {
			return riskClaim
		}
	case StateClaimed, StateProving:
		open := max(w.ProofClose-watchMargin, w.ProofOpen+1)
		if record.Requirement != RequirementNone && height >= open && height <= w.ProofClose {
			return riskProof
		}
	}
	return riskNone
}

// alarm tells of a session once.
func (m *sessionsManager) alarm(tree *liveTree, height int64) {
	m.mu.Lock()
	told := tree.alarmed
	tree.alarmed = true
	m.mu.Unlock()
	if told {
		return
	}
	record, w := tree.snapshot(), tree.windows()
	m.log.Error("session is about to miss its window", "session", record.SessionID, "supplier", record.Supplier,
		"service", record.ServiceID, "state", record.State, "requirement", record.Requirement, "height", height,
		"claim_close", w.ClaimClose, "proof_close", w.ProofClose,
		"last", record.Timeline[len(record.Timeline)-1].Reason)
}
