package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session"
)

func newSessionsShowCommand(at *location) *cobra.Command {
	var supplier string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of a session",
		Long: `Show a session's header and root, what it was paid and what it cost, when and why it
came into each state, and every transaction that carried its claim or its proof.

CHARGED is what the application paid for the claim and PAID what the supplier's owner
and shareholders got of it; FEES are the session's part of the transactions that came
into a block, and what the chain takes for a proof. BLOCKS and MS say how long a step
lasted until the next, and AFTER how many blocks after it was sent a transaction was
included. With --json, the record is printed as it is stored, with the transactions'
bytes, and beside it what follows from it.`,
		Args: nameArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.use(cmd.Context(), toRead, func(sessions admin.Sessions, _ string) error {
				details, err := sessions.Show(cmd.Context(), session.Name{ID: args[0], Supplier: supplier})
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), details)
				}
				return printDetails(cmd.OutOrStdout(), details)
			})
		},
	}
	supplierFlag(cmd.Flags(), &supplier)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// printDetails prints what is known of a session.
func printDetails(out io.Writer, d *session.Details) error {
	if err := facts(d).write(out); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "\ntransitions"); err != nil {
		return err
	}
	if err := transitions(d.Record.Steps()).write(out, "  "); err != nil {
		return err
	}
	for _, kind := range []struct {
		title    string
		attempts []relayer.TxAttempt
	}{
		{"claim transactions", d.Record.ClaimAttempts},
		{"proof transactions", d.Record.ProofAttempts},
	} {
		if len(kind.attempts) == 0 {
			if _, err := fmt.Fprintf(out, "\n%s\n  none\n", kind.title); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(out, "\n%s\n", kind.title); err != nil {
			return err
		}
		if err := transactions(kind.attempts).write(out, "  "); err != nil {
			return err
		}
	}
	return nil
}

// fields are names with values, to be printed below each other.
type fields [][2]string

func (f *fields) add(name, value string) { *f = append(*f, [2]string{name, value}) }

func (f *fields) write(out io.Writer) error {
	width := 0
	for _, field := range *f {
		width = max(width, len(field[0]))
	}
	for _, field := range *f {
		if _, err := fmt.Fprintf(out, "%-*s  %s\n", width, field[0], field[1]); err != nil {
			return err
		}
	}
	return nil
}

func facts(d *session.Details) *fields {
	r := d.Record
	f := &fields{}
	f.add("session", r.SessionID)
	f.add("supplier", r.Supplier)
	f.add("application", r.Application)
	f.add("service", r.ServiceID)
	f.add("heights", heights(r.StartHeight, r.EndHeight))
	f.add("state", string(r.State))
	f.add("root", orNone(r.Root))
	if r.Root == "" {
		f.add("relays", sums(d.Stored))
	} else {
		f.add("relays", sums(session.Sums{Leaves: r.Relays, ComputeUnits: r.ComputeUnits, Bytes: max(d.Stored.Bytes, r.Bytes)}))
		if r.RelaysPurged > 0 {
			f.add("stored", fmt.Sprintf("not any more, deleted at height %d", r.RelaysPurged))
		} else if d.Stored.Leaves != r.Relays {
			f.add("stored", fmt.Sprintf("%s, not those of the root", sums(d.Stored)))
		}
	}
	if r.LateRelays > 0 {
		f.add("late relays", fmt.Sprintf("%d, served after the root was fixed and not in it", r.LateRelays))
	}
	f.add("estimate", upokt(d.EstimatedUpokt))
	f.add("charged", orNone(r.SettledUpokt))
	f.add("paid", orNone(r.PaidUpokt))
	f.add("fees", feesOf(r))
	if r.SlashedUpokt != "" {
		f.add("slashed", r.SlashedUpokt)
	}
	f.add("proof", proofNeed(r.Requirement))
	f.add("verdict", verdictOf(r))
	f.add("proof path", orNone(r.ProofPath))
	return f
}

func sums(s session.Sums) string {
	return fmt.Sprintf("%d (%s, %s)", s.Leaves, counted(s.ComputeUnits, "compute unit", "compute units"), humanBytes(s.Bytes))
}

// feesOf says what the session cost.
func feesOf(r *session.Record) string {
	fees := r.Fees()
	if fees.Txs == 0 {
		return none
	}
	total := fees.Total()
	return fmt.Sprintf("%s (claim %s, proof %s, %s)", upokt(&total), upokt(&fees.Claim), upokt(&fees.Proof),
		counted(uint64(fees.Txs), "transaction", "transactions"))
}

// verdictOf says what the chain made of the proof.
func verdictOf(r *session.Record) string {
	if r.ProofFailure != "" {
		return fmt.Sprintf("%s: %s", r.Verdict(), r.ProofFailure)
	}
	return orNone(string(r.Verdict()))
}

// proofNeed says whether the chain wants a proof.
func proofNeed(r session.Requirement) string {
	switch r {
	case session.RequirementUnknown:
		return "not decided"
	case session.RequirementNone:
		return "not required"
	default:
		return fmt.Sprintf("required (%s)", r)
	}
}

// transitions shows the timeline; how long a step has lasted is in its own line.
func transitions(steps []session.Step) *table {
	t := &table{columns: []column{
		{title: "HEIGHT", right: true}, {title: "TIME"}, {title: "STATE"}, {title: "BLOCKS", right: true}, {title: "MS", right: true},
		{title: "REASON"},
	}}
	for _, at := range steps {
		t.add(fmt.Sprint(at.Height), at.Time.UTC().Format(time.RFC3339), string(at.State), known(at.Blocks), known(at.Milliseconds), at.Reason)
	}
	return t
}

// known returns a number, or none if it is not known.
func known(n *int64) string {
	if n == nil {
		return none
	}
	return fmt.Sprint(*n)
}

func transactions(attempts []relayer.TxAttempt) *table {
	t := &table{columns: []column{
		{title: "HASH"}, {title: "SENT", right: true}, {title: "EXPIRES", right: true}, {title: "INCLUDED", right: true},
		{title: "AFTER", right: true}, {title: "FEE", right: true}, {title: "GAS", right: true}, {title: "MESSAGES", right: true}, {title: "RESULT"},
	}}
	for n := range attempts {
		a := &attempts[n]
		t.add(a.Hash, height(a.SentHeight), height(a.TimeoutHeight), height(a.Included), delay(a),
			upokt(&a.FeeUpokt), fmt.Sprint(a.GasWanted), fmt.Sprint(a.Messages), result(a))
	}
	return t
}

// delay returns how many blocks after it was first sent a transaction was included.
func delay(a *relayer.TxAttempt) string {
	if a.Included == 0 {
		return none
	}
	return fmt.Sprint(a.Included - a.SentHeight)
}

// height returns a height, or none for 0, which means that there is none.
func height(h int64) string {
	if h == 0 {
		return none
	}
	return fmt.Sprint(h)
}

// result says what became of a transaction.
func result(a *relayer.TxAttempt) string {
	switch {
	case a.Code != 0:
		return fmt.Sprintf("failed: %s %d: %s", a.Codespace, a.Code, a.Error)
	case a.Error != "":
		return a.Error
	case a.Included > 0:
		return "ok"
	default:
		return "not seen in a block"
	}
}
