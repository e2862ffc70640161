package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
)

// verifyFlags are the flags of the sessions verify command.
type verifyFlags struct {
	at       *location
	supplier string
	all      bool
	deep     bool
	json     bool
}

func newSessionsVerifyCommand(at *location) *cobra.Command {
	flags := verifyFlags{at: at}
	cmd := &cobra.Command{
		Use:   "verify {ID | --all}",
		Short: "Compute roots anew and compare them with the recorded ones",
		Long: `Compute the root of a session, or of all, from its relays and compare it with the
recorded one, and check that each relay lies where its bytes belong.

With --deep, check also that each relay is of this session and supplier, weighs as
many compute units as the others, and that the ring signature of its request and
the supplier's signature of its response are valid. This takes about a millisecond
for each relay. The supplier's public key is recovered from the signatures and
recognised by its address, so that neither keyring nor node is needed. Whether the
keys in the ring may sign for the application only the chain knows; it is not asked.

The exit status is 1 if anything is not as it should be. What is wrong with one
session does not keep the others from being verified. With --json, one JSON object
is printed for each session, one to a line.`,
		Example: `  relayminer sessions verify c1112e5a
  relayminer sessions verify --all --deep --store /var/lib/relayminer/smt`,
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd, args) },
	}
	f := cmd.Flags()
	supplierFlag(f, &flags.supplier)
	f.BoolVar(&flags.all, "all", false, "verify all sessions")
	f.BoolVar(&flags.deep, "deep", false, "verify every relay's signatures too")
	f.BoolVar(&flags.json, "json", false, "print JSON lines")
	return cmd
}

func (f *verifyFlags) run(cmd *cobra.Command, args []string) error {
	what := session.Verification{All: f.all, Deep: f.deep}
	switch {
	case f.all && len(args) == 0 && f.supplier == "":
	case f.all:
		return errors.New("--all verifies all sessions: leave id and --supplier out")
	case len(args) == 1:
		what.Name = session.Name{ID: args[0], Supplier: f.supplier}
	default:
		return errors.New("name one session, by its id or the beginning of it, or use --all")
	}
	return f.at.use(cmd.Context(), toRead, func(sessions admin.Sessions, _ string) error {
		began := time.Now()
		bar := newProgress(cmd.ErrOrStderr())
		found := &verdict{out: cmd.OutOrStdout(), json: f.json}
		err := sessions.Verify(cmd.Context(), what, func(event session.Event) error {
			if event.Progress != nil {
				bar.show(event.Progress)
			}
			if event.Report != nil {
				bar.clear()
				return found.add(event.Report)
			}
			return nil
		})
		bar.clear()
		if err != nil {
			return err
		}
		return found.end(time.Since(began))
	})
}

// verdict prints reports and sums them up.
type verdict struct {
	out      io.Writer
	json     bool
	sessions uint64
	relays   uint64
	wrong    []string // sessions
}

// add prints a report.
func (v *verdict) add(r *session.Report) error {
	v.sessions++
	v.relays += r.Leaves
	if !r.OK() {
		v.wrong = append(v.wrong, reported(r))
	}
	if v.json {
		return printJSON(v.out, r)
	}
	_, err := io.WriteString(v.out, describeReport(r))
	return err
}

// reported names the session of a report.
func reported(r *session.Report) string {
	if r.SessionID == "" {
		return "of the relay store"
	}
	return fmt.Sprintf("%s of %s", r.SessionID, r.Supplier)
}

// describeReport returns the lines that say what was found.
func describeReport(r *session.Report) string {
	var text strings.Builder
	if r.OK() {
		root := "root as recorded"
		if r.Recorded == "" {
			root = "no root is recorded yet"
		}
		if r.Deep {
			root += ", signatures valid"
		}
		fmt.Fprintf(&text, "ok     %s: %s, %s, %s\n", reported(r), r.State, counted(r.Leaves, "relay", "relays"), root)
		return text.String()
	}
	fmt.Fprintf(&text, "WRONG  %s: %s, %s\n", reported(r), stateOf(r.State), counted(r.Leaves, "relay", "relays"))
	for _, fault := range r.Faults {
		if fault.Leaf != "" {
			fmt.Fprintf(&text, "         leaf %s: %s\n", fault.Leaf, fault.Problem)
		} else {
			fmt.Fprintf(&text, "         %s\n", fault.Problem)
		}
	}
	if r.MoreFaults > 0 {
		fmt.Fprintf(&text, "         and %d more\n", r.MoreFaults)
	}
	return text.String()
}

// maxNamed bounds the sessions that the last error names.
const maxNamed = 5

// end prints the sum, or returns it as an error if anything is wrong.
func (v *verdict) end(took time.Duration) error {
	if len(v.wrong) > 0 {
		named := strings.Join(v.wrong[:min(len(v.wrong), maxNamed)], ", ")
		if len(v.wrong) > maxNamed {
			named += ", …"
		}
		return fmt.Errorf("%d of %s not as recorded: %s",
			len(v.wrong), counted(v.sessions, "session is", "sessions are"), named)
	}
	if v.json {
		return nil
	}
	_, err := fmt.Fprintf(v.out, "%s with %s verified in %s\n", counted(v.sessions, "session", "sessions"),
		counted(v.relays, "relay", "relays"), took.Round(time.Millisecond))
	return err
}
