package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
)

// blockPatience is the age of the newest block from which its want is an alert.
const blockPatience = 5 * time.Minute

// lastBlocks is how many blocks a window has left when what is still to be done in
// it becomes an alert.
const lastBlocks = 2

// alertsOf returns what of a status needs somebody's attention.
func alertsOf(s *admin.Status) []string {
	var alerts []string
	add := func(format string, args ...any) { alerts = append(alerts, fmt.Sprintf(format, args...)) }
	switch {
	case s.Chain.Height == 0:
		add("no block was seen yet")
	case s.Now.Sub(s.Chain.Time) > blockPatience:
		add("the newest block, %d, is %s old", s.Chain.Height, s.Now.Sub(s.Chain.Time).Round(time.Second))
	}
	for _, kind := range withoutNode(s.Nodes) {
		add("no usable node for %s", kind)
	}
	for _, stage := range s.Stages {
		if stage.Problem != "" {
			add("%s: %s", stage.Name, stage.Problem)
		}
	}
	if s.Queue != nil && len(s.Queue.Paused) > 0 {
		add("claims are held: %s", strings.Join(s.Queue.Paused, "; "))
	}
	for n := range s.Sessions.Unfinished {
		alerts = append(alerts, endingAlerts(&s.Sessions.Unfinished[n])...)
	}
	if s.AtRisk.Claims > 0 {
		add("%s about to go unclaimed", counted(uint64(s.AtRisk.Claims), "session is", "sessions are"))
	}
	if s.AtRisk.Proofs > 0 {
		add("%s not in force and due within blocks", counted(uint64(s.AtRisk.Proofs), "required proof is", "required proofs are"))
	}
	for n := range s.Funds {
		alerts = append(alerts, fundsAlerts(&s.Funds[n])...)
	}
	return alerts
}

// withoutNode returns the kinds of nodes of which none is usable, in their order.
func withoutNode(nodes []admin.Node) []string {
	usable := make(map[string]bool)
	for _, n := range nodes {
		usable[n.Kind] = usable[n.Kind] || n.Usable
	}
	var without []string
	for _, n := range nodes {
		if ok, left := usable[n.Kind]; left && !ok {
			without = append(without, n.Kind)
			delete(usable, n.Kind)
		}
	}
	return without
}

// endingAlerts returns what is late of the sessions that end at a height.
func endingAlerts(e *session.Ending) []string {
	var alerts []string
	for _, window := range []struct {
		name   string
		at     *session.Window
		states []session.State // of those that have it before them
	}{
		{"claim", e.Claim, []session.State{session.StateOpen, session.StateSealed, session.StateClaiming}},
		{"proof", e.Proof, []session.State{session.StateProving}},
	} {
		n := 0
		for _, state := range window.states {
			n += e.States[state]
		}
		if n > 0 && window.at != nil && window.at.Left <= lastBlocks {
			alerts = append(alerts, fmt.Sprintf("%s that ended at %d: %s to be included, and the window closes at %d (%d left)",
				counted(uint64(n), "session", "sessions"), e.EndHeight, window.name, window.at.Close, window.at.Left))
		}
	}
	return alerts
}

// fundsAlerts returns what a supplier is short of.
func fundsAlerts(f *session.Funds) []string {
	var alerts []string
	if f.FewPenalties() {
		alerts = append(alerts, fmt.Sprintf("the stake of %s covers %s", f.Supplier,
			counted(uint64(*f.PenaltiesCovered), "more missing proof", "more missing proofs")))
	}
	if f.FewFees() {
		alerts = append(alerts, fmt.Sprintf("the balance of %s, %s, pays for %s of %s", f.Supplier, upokt(&f.BalanceUpokt),
			counted(uint64(f.BalanceUpokt/f.FeeUpokt), "message", "messages"), upokt(&f.FeeUpokt)))
	}
	return alerts
}
