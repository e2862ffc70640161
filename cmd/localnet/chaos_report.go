package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// States in which a session is counted. One that is settled has been in those
// before too.
const (
	stateSent     = "sent"
	stateAnswered = "answered"
	stateClaimed  = "claimed"
	stateProven   = "proven"
	stateSettled  = "settled"
	stateExpired  = "expired"
	stateSlashed  = "slashed"
)

// stateCount is how much is or has been in a state. A session of several suppliers
// counts for each.
type stateCount struct {
	State    string `json:"state"`
	Sessions int    `json:"sessions"`
	Relays   uint64 `json:"relays"`
	Upokt    int64  `json:"upokt"` // that suppliers were paid
}

func (s *stateCount) add(relays uint64, upokt int64) {
	s.Sessions++
	s.Relays += relays
	s.Upokt += upokt
}

// chaosReport is the end of a chaos run. Its JSON form is for programs.
type chaosReport struct {
	Seed          uint64            `json:"seed"`
	States        []stateCount      `json:"states"`
	Faults        map[faultKind]int `json:"faults"`
	LongestOutage float64           `json:"longest_outage_seconds"`
	Window        float64           `json:"window_seconds"` // of claims, and of proofs
	Refusals      map[string]int    `json:"refusals"`
	Problems      []string          `json:"problems"`
	Seconds       float64           `json:"seconds"`
}

// state returns the count of a state for the caller to change.
func (r *chaosReport) state(name string) *stateCount {
	for i := range r.States {
		if r.States[i].State == name {
			return &r.States[i]
		}
	}
	r.States = append(r.States, stateCount{State: name})
	return &r.States[len(r.States)-1]
}

// chaosReport counts the states of all sessions. Unless over is set there are
// sessions that have not come to their end.
func (t *tally) chaosReport(over bool) *chaosReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &chaosReport{Problems: t.losses(over)}
	for _, name := range []string{
		stateSent, stateAnswered, stateClaimed, stateProven, stateSettled, stateExpired, stateSlashed,
	} {
		r.state(name)
	}
	for _, claim := range t.claims {
		for _, entry := range []struct {
			state  string
			is     bool
			relays uint64
			upokt  int64
		}{
			{stateSent, claim.sent > 0, claim.sent, 0},
			{stateAnswered, claim.served > 0, claim.served, 0},
			{stateClaimed, claim.claimed > 0, claim.claimed, 0},
			{stateProven, claim.proven, claim.claimed, 0},
			{stateSettled, claim.settled, claim.paidFor, claim.reward},
			{stateExpired, claim.expired, claim.claimed, 0},
			{stateSlashed, claim.slashed, claim.claimed, 0},
		} {
			if entry.is {
				r.state(entry.state).add(entry.relays, entry.upokt)
			}
		}
	}
	return r
}

// servedSessions returns in how many sessions a relay was answered, and the height
// at which the last of them ends.
func (t *tally) servedSessions() (sessions int, lastEnd int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, claim := range t.claims {
		if claim.served > 0 {
			sessions++
			lastEnd = max(lastEnd, id.sessionEnd)
		}
	}
	return sessions, lastEnd
}

// line says in one line how far everything is.
func (t *tally) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.sum()
	return fmt.Sprintf("relays %d of %d answered  sessions %d  claims %d  proofs %d  settled %d  expired %d",
		r.RelaysServed, r.RelaysSent, r.Sessions, r.claims, r.ProofsValid, r.ClaimsSettled, r.ClaimsExpired)
}

// verdict returns an error if anything was lost.
func (r *chaosReport) verdict() error {
	if len(r.Problems) == 0 {
		return nil
	}
	return fmt.Errorf("%d things went wrong, the first of them: %s", len(r.Problems), r.Problems[0])
}

func (r *chaosReport) writeTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nstate\tsessions\trelays\tupokt\t")
	for _, s := range r.States {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t\n", s.State, s.Sessions, s.Relays, s.Upokt)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nfaults: %s\nlongest outage: %.1fs, where windows have %.1fs\nrefused: %s\nseed %d, %.0fs\n",
		listed(r.Faults), r.LongestOutage, r.Window, listed(r.Refusals), r.Seed, r.Seconds)
	for _, problem := range r.Problems {
		if err == nil {
			_, err = fmt.Fprintln(out, "problem: "+problem)
		}
	}
	return err
}

// listed lists how often each thing was counted.
func listed[K ~string](counts map[K]int) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d × %s", counts[key], key))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
