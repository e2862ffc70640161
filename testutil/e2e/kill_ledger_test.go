package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
)

// sessionRef is what clients and all events of the chain name a session of one
// supplier by.
type sessionRef struct {
	application, service, supplier string
	end                            int64 // height
}

func refOf(header *sessiontypes.SessionHeader, supplier string) sessionRef {
	return sessionRef{header.ApplicationAddress, header.ServiceId, supplier, header.SessionEndBlockHeight}
}

func (r sessionRef) String() string {
	return fmt.Sprintf("session of %s and %s for %s that ends at %d", r.application, r.supplier, r.service, r.end)
}

// ledger counts what clients have sent, and what they were answered with a valid
// signature. It may be used concurrently.
type ledger struct {
	mu       sync.Mutex
	sessions map[sessionRef]served
	refusals map[string]uint64 // by the relay miner's reason
	faults   []string          // replies that no client may ever get
}

// served are the relays of one session as its clients know them.
type served struct{ sent, answered uint64 }

func newLedger() *ledger {
	return &ledger{sessions: make(map[sessionRef]served), refusals: make(map[string]uint64)}
}

func (l *ledger) sent(ref sessionRef) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessions[ref]
	s.sent++
	l.sessions[ref] = s
}

func (l *ledger) answered(ref sessionRef) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessions[ref]
	s.answered++
	l.sessions[ref] = s
}

func (l *ledger) refused(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals[reason]++
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// total returns the relays of all sessions.
func (l *ledger) total() (sum served) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sessions {
		sum.sent += s.sent
		sum.answered += s.answered
	}
	return sum
}

// lastEnd returns the end height of the last session in which a relay was sent.
func (l *ledger) lastEnd() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := int64(0)
	for ref := range l.sessions {
		last = max(last, ref.end)
	}
	return last
}

// audit compares the ledger with what the chain did, once all windows of its
// sessions are closed, and reports every fault. It returns how many relays were
// claimed and in how many sessions.
func (l *ledger) audit(t *testing.T, chain fates) (claimed uint64, sessions int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fault := range l.faults {
		t.Error(fault)
	}
	for ref, s := range l.sessions {
		f := chain[ref]
		for _, fault := range faultsOf(s, f) {
			t.Errorf("%s (%d sent, %d answered): %s", ref, s.sent, s.answered, fault)
		}
		if f != nil && len(f.claimed) > 0 {
			claimed += f.claimed[0]
			sessions++
		}
	}
	return claimed, sessions
}

// refusalsText lists why relays were refused.
func (l *ledger) refusalsText() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, reason := range slices.Sorted(maps.Keys(l.refusals)) {
		lines = append(lines, fmt.Sprintf("%d × %s", l.refusals[reason], reason))
	}
	return strings.Join(lines, ", ")
}
