package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/prover"
)

func newStatusCommand() *cobra.Command {
	var home string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how a running relay miner does",
		Long: `Show how a running relay miner does: the chain and the nodes, its parts, the sessions
by state, the windows of those that are not over, what the suppliers have to pay and to
lose, and what needs attention. It is asked through the socket in its --home directory.

A window's LEFT is how many blocks can still include a claim or proof. PENALTIES is how
many missing proofs a supplier's stake covers before it is below the minimum and the
supplier is unbonded. What is not known is a dash.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return asking(cmd.Context(), home, func(client *admin.Client) error {
				status, err := client.Status(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), status)
				}
				return printStatus(cmd.OutOrStdout(), status)
			})
		},
	}
	homeFlag(cmd.Flags(), &home)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// printStatus prints the status as text.
func printStatus(out io.Writer, s *admin.Status) error {
	if err := statusFacts(s).write(out); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		table *table
	}{
		{"nodes", nodesTable(s.Nodes)},
		{"parts", stagesTable(s.Stages)},
		{"provers", proversTable(s.Provers)},
		{"sessions that are not over", endingsTable(s.Sessions)},
		{"suppliers", fundsTable(s.Funds)},
	} {
		if len(part.table.rows) == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s\n", part.title)
		if err := part.table.write(out, "  "); err != nil {
			return err
		}
	}
	if len(s.Alerts) == 0 {
		_, err := fmt.Fprintln(out, "\nno alerts")
		return err
	}
	_, err := fmt.Fprintf(out, "\nalerts\n  %s\n", strings.Join(s.Alerts, "\n  "))
	return err
}

func statusFacts(s *admin.Status) *fields {
	f := &fields{}
	f.add("version", s.Version)
	f.add("uptime", s.Now.Sub(s.Started).Round(time.Second).String())
	f.add("chain", s.Chain.ID)
	f.add("block", blockOf(s))
	f.add("blocks by", s.Chain.Source)
	f.add("queue", queueOf(s.Queue))
	f.add("provers", proversOf(s.Provers))
	f.add("sessions", statesOf(s.Sessions.States))
	if s.Sessions.Unreadable > 0 {
		f.add("unreadable", fmt.Sprintf("%s (see relayminer sessions list)", counted(uint64(s.Sessions.Unreadable), "record", "records")))
	}
	return f
}

func blockOf(s *admin.Status) string {
	if s.Chain.Height == 0 {
		return none
	}
	return fmt.Sprintf("%d, %s ago", s.Chain.Height, s.Now.Sub(s.Chain.Time).Round(time.Second))
}

func queueOf(q *session.QueueStatus) string {
	if q == nil {
		return none
	}
	text := fmt.Sprintf("%d wait, %d in work by %d workers", q.Length, q.InWork, q.Workers)
	if len(q.Paused) > 0 {
		text += ", paused: " + strings.Join(q.Paused, "; ")
	}
	return text
}

func proversOf(p *session.ProverStatus) string {
	if p == nil {
		return none
	}
	return fmt.Sprintf("%d of %d busy", p.Busy, p.Provers)
}

// statesOf names how many sessions are in which state.
func statesOf(states map[session.State]int) string {
	var parts []string
	for _, state := range session.States() {
		if n := states[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return orNone(strings.Join(parts, ", "))
}

func nodesTable(nodes []admin.Node) *table {
	t := &table{columns: []column{{title: "FOR"}, {title: "NODE"}, {title: "STATE"}, {title: "LAG", right: true}, {title: "PROBLEM"}}}
	for _, n := range nodes {
		state := "not usable"
		switch {
		case n.InUse && n.Usable:
			state = "in use"
		case n.InUse:
			state = "in use, for want of a better one"
		case n.Usable:
			state = "usable"
		}
		t.add(n.Kind, n.Address, state, known(n.Lag), n.Problem)
	}
	return t
}

func stagesTable(stages []admin.Stage) *table {
	t := &table{columns: []column{{title: "PART"}, {title: "GOROUTINES", right: true}, {title: "STATE"}}}
	for _, s := range stages {
		goroutines, state := none, "well"
		if s.Goroutines != nil {
			goroutines = fmt.Sprint(*s.Goroutines)
		}
		if s.Problem != "" {
			state = s.Problem
		}
		t.add(s.Name, goroutines, state)
	}
	return t
}

// proversTable is empty if there is nothing to tell of the provers but their number.
func proversTable(p *session.ProverStatus) *table {
	t := &table{columns: []column{
		{title: "PROVER"}, {title: "STATE"}, {title: "PROOFS", right: true}, {title: "FAILED", right: true},
		{title: "MEDIAN", right: true}, {title: "SESSION"}, {title: "PROBLEM"},
	}}
	if p == nil {
		return t
	}
	for _, m := range p.Members {
		if m.Local && m.State == prover.Idle && m.Failed == 0 {
			continue
		}
		t.add(m.ID, string(m.State), fmt.Sprint(m.Proofs), fmt.Sprint(m.Failed), m.Median.Round(time.Millisecond).String(),
			orNone(m.Session), m.Error)
	}
	return t
}

func endingsTable(o *session.Overview) *table {
	t := &table{columns: []column{
		{title: "END", right: true}, {title: "CLAIM"}, {title: "LEFT", right: true}, {title: "PROOF"}, {title: "LEFT", right: true},
		{title: "SESSIONS"},
	}}
	for _, e := range o.Unfinished {
		claim, claimLeft := windowOf(e.Claim)
		proof, proofLeft := windowOf(e.Proof)
		t.add(fmt.Sprint(e.EndHeight), claim, claimLeft, proof, proofLeft, statesOf(e.States))
	}
	if o.More > 0 {
		t.add("…", "", "", "", "", counted(uint64(o.More), "more height", "more heights"))
	}
	return t
}

// windowOf returns the heights of a window, and how many blocks are left.
func windowOf(w *session.Window) (heights, left string) {
	if w == nil {
		return none, none
	}
	return fmt.Sprintf("%d–%d", w.Open, w.Close), fmt.Sprint(w.Left)
}

func fundsTable(funds []session.Funds) *table {
	t := &table{columns: []column{
		{title: "SUPPLIER"}, {title: "BALANCE", right: true}, {title: "LAST FEE", right: true}, {title: "STAKE", right: true},
		{title: "PENALTIES", right: true}, {title: "AS OF", right: true}, {title: "PROBLEM"},
	}}
	for n := range funds {
		f := &funds[n]
		balance, stake, fee := none, none, none
		if f.Height > 0 {
			balance, stake = upokt(&f.BalanceUpokt), upokt(&f.StakeUpokt)
		}
		if f.FeeUpokt > 0 {
			fee = upokt(&f.FeeUpokt)
		}
		t.add(f.Supplier, balance, fee, stake, known(f.PenaltiesCovered), height(f.Height), f.Problem)
	}
	return t
}
