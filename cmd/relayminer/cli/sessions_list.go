package cli

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
)

// listFlags are the flags of the sessions list command.
type listFlags struct {
	at     *location
	filter filterFlags
	full   bool
	json   bool
}

// filterFlags say which sessions are meant.
type filterFlags struct {
	states   []string
	supplier string
}

func (f *filterFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.states, "state", nil, "only sessions in this state; can be given several times")
	flags.StringVar(&f.supplier, "supplier", "", "only sessions of this supplier: operator address, or the beginning of it")
}

// parse returns the filter that the flags stand for.
func (f *filterFlags) parse() (session.Filter, error) {
	filter := session.Filter{Supplier: f.supplier}
	for _, name := range f.states {
		state := session.State(name)
		if !slices.Contains(session.States(), state) {
			return filter, fmt.Errorf("--state: %q is none of %s", name, stateNames())
		}
		filter.States = append(filter.States, state)
	}
	return filter, nil
}

func newSessionsListCommand(at *location) *cobra.Command {
	flags := listFlags{at: at}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List sessions by the height at which they end",
		Long: `List sessions by end height, then supplier. The size is that of the relays without
what the disk adds. ESTIMATE is what the claim is worth before any limit that the
application's stake sets; of open sessions only a running relay miner knows it.
CHARGED is what the application paid, PAID what the supplier's shareholders got.
Relays, compute units and size of open sessions are counted as of now.

Ids and addresses are cut to what tells them apart; the other commands take them
so. With --json, one JSON object is printed for each session, one to a line, with
everything in full.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	f := cmd.Flags()
	flags.filter.register(f)
	f.BoolVar(&flags.full, "full", false, "print ids and addresses in full")
	f.BoolVar(&flags.json, "json", false, "print JSON lines")
	return cmd
}

func (f *listFlags) run(cmd *cobra.Command) error {
	filter, err := f.filter.parse()
	if err != nil {
		return err
	}
	return f.at.use(cmd.Context(), toRead, func(sessions admin.Sessions, where string) error {
		list, err := sessions.List(cmd.Context(), filter)
		if err != nil {
			return err
		}
		if f.json {
			return printLines(cmd.OutOrStdout(), list)
		}
		if len(list) == 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "no such sessions in the relay store %s\n", where)
			return nil
		}
		return f.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), list)
	})
}

func stateNames() string {
	var names []string
	for _, state := range session.States() {
		names = append(names, string(state))
	}
	return strings.Join(names, ", ")
}

// printLines prints one JSON object for each item, one to a line.
func printLines[T any](out io.Writer, items []T) error {
	for _, item := range items {
		if err := printJSON(out, item); err != nil {
			return err
		}
	}
	return nil
}

// print prints the table, and what cannot be read on complaints.
func (f *listFlags) print(out, complaints io.Writer, list []session.Summary) error {
	t := table{columns: []column{
		{title: "SESSION"}, {title: "STATE"}, {title: "SUPPLIER"}, {title: "SERVICE"}, {title: "APPLICATION"},
		{title: "HEIGHTS", right: true}, {title: "RELAYS", right: true}, {title: "COMPUTE UNITS", right: true},
		{title: "SIZE", right: true}, {title: "ESTIMATE", right: true}, {title: "CHARGED", right: true}, {title: "PAID", right: true},
	}}
	ids, addresses := f.shorteners(list)
	for _, s := range list {
		if s.Problem != "" {
			fmt.Fprintf(complaints, "session %s: %s\n", orNone(s.SessionID), s.Problem)
		}
		if s.SessionID == "" {
			continue
		}
		t.add(ids.short(s.SessionID), stateOf(s.State), addresses.short(s.Supplier), orNone(s.ServiceID),
			orNone(addresses.short(s.Application)), heights(s.StartHeight, s.EndHeight), fmt.Sprint(s.Relays),
			fmt.Sprint(s.ComputeUnits), humanBytes(s.Bytes), upokt(s.EstimatedUpokt), orNone(s.SettledUpokt), orNone(s.PaidUpokt))
	}
	return t.write(out, "")
}

// shorteners return how ids and addresses are cut.
func (f *listFlags) shorteners(list []session.Summary) (ids, addresses shortener) {
	if f.full {
		return math.MaxInt, math.MaxInt
	}
	var idNames, addressNames []string
	for _, s := range list {
		idNames = append(idNames, s.SessionID)
		addressNames = append(addressNames, s.Supplier, s.Application)
	}
	return newShortener(minID, idNames), newShortener(minAddress, addressNames)
}

// What ids and addresses are cut to at least. An address begins with "pokt1".
const (
	minID      = 8
	minAddress = 13
)

// stateOf names a state, and those whose record cannot be read.
func stateOf(state session.State) string {
	if state == "" {
		return "unreadable"
	}
	return string(state)
}

// heights returns the heights of a session; the first may not be known.
func heights(start, end int64) string {
	if start == 0 {
		return fmt.Sprintf("?–%d", end)
	}
	return fmt.Sprintf("%d–%d", start, end)
}
