package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
)

// ledgerFlags are the flags of the ledger command.
type ledgerFlags struct {
	at     location
	filter filterFlags
	csv    bool
	json   bool
}

func newLedgerCommand() *cobra.Command {
	var flags ledgerFlags
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Add up what was served, claimed, proven and paid, and what it cost",
		Long: `Add up what became of relays, by state and by supplier and service: of a relay
miner that is running, which is asked through the socket in its --home directory, or
of one that is stopped, whose store is opened.

SERVED relays were answered and met the difficulty; those that did not are not
stored, and are not in the ledger. LATE ones were refused because their session was
sealed. CLAIMED, PROVEN and SETTLED are those of the served that the chain has had a
claim of, a valid proof of, and has paid for. ESTIMATE is what the claims were worth,
CHARGED what the applications paid, and PAID what the supplier's owner and
shareholders got of that. FEES are the sessions' parts of the transactions that came
into a block, and what the chain takes for proofs. SLASHED is what the supplier lost.

All of that follows from the sessions' records and lasts as long as they are kept
(keep.records of the configuration). What comes below it is counted by the running
process and begins anew when it is started: the relays that were refused, by reason,
among them those that belong to no session.

With --csv or --json each session is a line, with everything in full; --json adds a
line for each reason for which relays were refused.`,
		Example: `  relayminer ledger --config relayminer.yaml
  relayminer ledger --state settled --state expired --csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	f := cmd.Flags()
	flags.at.register(f)
	flags.filter.register(f)
	f.BoolVar(&flags.csv, "csv", false, "print each session as a line of comma-separated values")
	f.BoolVar(&flags.json, "json", false, "print JSON lines")
	return cmd
}

func (f *ledgerFlags) run(cmd *cobra.Command) error {
	if f.csv && f.json {
		return errors.New("--csv and --json: one of them is enough")
	}
	filter, err := f.filter.parse()
	if err != nil {
		return err
	}
	return f.at.use(cmd.Context(), toRead, func(sessions admin.Sessions, where string) error {
		ledger, err := sessions.Ledger(cmd.Context(), filter)
		if err != nil {
			return err
		}
		for _, problem := range ledger.Problems {
			fmt.Fprintln(cmd.ErrOrStderr(), problem)
		}
		switch {
		case f.csv:
			return printCSV(cmd.OutOrStdout(), ledger.Sessions)
		case f.json:
			return errors.Join(printLines(cmd.OutOrStdout(), ledger.Sessions), printLines(cmd.OutOrStdout(), ledger.Refused))
		case len(ledger.Sessions) == 0:
			fmt.Fprintf(cmd.ErrOrStderr(), "no such sessions in the relay store %s\n", where)
		}
		return printLedger(cmd.OutOrStdout(), ledger)
	})
}

// printCSV prints the sessions, a line each, after one with their columns' names.
func printCSV(out io.Writer, entries []session.LedgerEntry) error {
	w := csv.NewWriter(out)
	rows := [][]string{{
		"session_id", "supplier", "application", "service_id", "start_height", "end_height", "state", "verdict",
		"served", "late", "claimed", "proven", "settled", "estimated_upokt", "settled_upokt", "paid_upokt",
		"fees_upokt", "slashed_upokt", "txs", "reason",
	}}
	for _, e := range entries {
		rows = append(rows, []string{
			e.SessionID, e.Supplier, e.Application, e.ServiceID, fmt.Sprint(e.StartHeight), fmt.Sprint(e.EndHeight),
			string(e.State), string(e.Verdict), fmt.Sprint(e.Served), fmt.Sprint(e.Late), fmt.Sprint(e.Claimed),
			fmt.Sprint(e.Proven), fmt.Sprint(e.Settled), fmt.Sprint(e.EstimatedUpokt), fmt.Sprint(e.SettledUpokt),
			fmt.Sprint(e.PaidUpokt), fmt.Sprint(e.FeesUpokt), fmt.Sprint(e.SlashedUpokt), fmt.Sprint(e.Txs), e.Reason,
		})
	}
	return w.WriteAll(rows)
}

// printLedger prints totals: by state, by supplier and service, and of refusals.
func printLedger(out io.Writer, ledger *session.Ledger) error {
	if len(ledger.Sessions) > 0 {
		if err := byState(ledger.Sessions).write(out, ""); err != nil {
			return err
		}
		fmt.Fprintln(out)
		if err := bySupplier(ledger.Sessions).write(out, ""); err != nil {
			return err
		}
	}
	if ledger.RefusedSince == nil {
		return nil
	}
	if len(ledger.Sessions) > 0 {
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "refused since %s", ledger.RefusedSince.UTC().Format(time.RFC3339))
	if len(ledger.Refused) == 0 {
		_, err := fmt.Fprintln(out, ": none")
		return err
	}
	fmt.Fprintln(out)
	return refusedTable(ledger.Refused).write(out, "  ")
}

// sumColumns are the columns of what is added up.
func sumColumns(names ...column) []column {
	for _, title := range []string{
		"SESSIONS", "SERVED", "LATE", "CLAIMED", "PROVEN", "SETTLED", "ESTIMATE", "CHARGED", "PAID", "FEES", "SLASHED", "TXS",
	} {
		names = append(names, column{title: title, right: true})
	}
	return names
}

// total is the sum over some sessions.
type total struct {
	sessions int
	session.LedgerSums
}

func (t *total) add(e *session.LedgerEntry) {
	t.sessions++
	t.Add(e.LedgerSums)
}

func (t *total) cells() []string {
	return []string{
		fmt.Sprint(t.sessions), fmt.Sprint(t.Served), fmt.Sprint(t.Late), fmt.Sprint(t.Claimed), fmt.Sprint(t.Proven),
		fmt.Sprint(t.Settled), upokt(&t.EstimatedUpokt), upokt(&t.SettledUpokt), upokt(&t.PaidUpokt),
		upokt(&t.FeesUpokt), upokt(&t.SlashedUpokt), fmt.Sprint(t.Txs),
	}
}

// byState adds sessions up by state, and all of them.
func byState(entries []session.LedgerEntry) *table {
	t := &table{columns: sumColumns(column{title: "STATE"})}
	var all total
	for _, state := range session.States() {
		var sum total
		for n := range entries {
			if entries[n].State == state {
				sum.add(&entries[n])
				all.add(&entries[n])
			}
		}
		if sum.sessions > 0 {
			t.add(append([]string{string(state)}, sum.cells()...)...)
		}
	}
	t.add(append([]string{"total"}, all.cells()...)...)
	return t
}

// bySupplier adds sessions up by supplier and service.
func bySupplier(entries []session.LedgerEntry) *table {
	type key struct{ supplier, service string }
	sums := make(map[key]*total)
	var keys []key
	for n := range entries {
		of := key{entries[n].Supplier, entries[n].ServiceID}
		if sums[of] == nil {
			sums[of] = &total{}
			keys = append(keys, of)
		}
		sums[of].add(&entries[n])
	}
	slices.SortFunc(keys, func(a, b key) int {
		return slices.Compare([]string{a.supplier, a.service}, []string{b.supplier, b.service})
	})
	t := &table{columns: sumColumns(column{title: "SUPPLIER"}, column{title: "SERVICE"})}
	for _, of := range keys {
		t.add(append([]string{of.supplier, of.service}, sums[of].cells()...)...)
	}
	return t
}

func refusedTable(refused []session.Refusal) *table {
	t := &table{columns: []column{
		{title: "SUPPLIER"}, {title: "SERVICE"}, {title: "RELAYS", right: true}, {title: "CODE"}, {title: "REASON"},
	}}
	for _, r := range refused {
		t.add(orNone(r.Supplier), orNone(r.ServiceID), fmt.Sprint(r.Relays), fmt.Sprintf("%s %d", r.Codespace, r.Code), r.Reason)
	}
	return t
}
