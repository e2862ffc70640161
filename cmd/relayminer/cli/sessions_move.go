package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
)

func newSessionsExportCommand(at *location) *cobra.Command {
	var supplier, out string
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Write a session into one file",
		Long: `Write a session, its record and all of its relays, into one file that sessions
import reads. The file ends in a checksum of everything. An open session is written
as it is now. The session stays where it is: when its file is imported elsewhere,
drop it here, or two relay miners work on it.`,
		Args: nameArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.use(cmd.Context(), toRead, func(sessions admin.Sessions, _ string) error {
				return export(cmd, sessions, session.Name{ID: args[0], Supplier: supplier}, out)
			})
		},
	}
	supplierFlag(cmd.Flags(), &supplier)
	cmd.Flags().StringVar(&out, "out", "", "file to write, which must not exist; - is standard output (default SESSION-SUPPLIER.session)")
	return cmd
}

func export(cmd *cobra.Command, sessions admin.Sessions, name session.Name, out string) error {
	ctx := cmd.Context()
	if out == "-" {
		if isTerminal(cmd.OutOrStdout()) {
			return errors.New("--out -: standard output is a terminal, and the file is not text")
		}
		return sessions.Export(ctx, name, cmd.OutOrStdout())
	}
	details, err := sessions.Show(ctx, name)
	if err != nil {
		return err
	}
	record := details.Record
	name = session.Name{ID: record.SessionID, Supplier: record.Supplier}
	if out == "" {
		out = record.SessionID + "-" + record.Supplier + ".session"
		if filepath.Base(out) != out { // ids of the chain are hex, but a record can come from anywhere
			return fmt.Errorf("--out is not set, and %q is not the name of a file", out)
		}
	}
	size, err := writeFile(ctx, out, func(w io.Writer) error { return sessions.Export(ctx, name, w) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "exported %s session %s of %s, %s, to %s (%s)\n", record.State, record.SessionID,
		record.Supplier, counted(details.Stored.Leaves, "relay", "relays"), out, humanBytes(size))
	return err
}

// writeFile writes a file that must not exist. It is there when all of it is on
// the disk, or not at all.
func writeFile(ctx context.Context, path string, write func(io.Writer) error) (size uint64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, fmt.Errorf("--out: %s is there already: remove it, or choose another name", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return 0, fmt.Errorf("--out: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err := errors.Join(write(file), ctx.Err()); err != nil {
		return 0, errors.Join(err, file.Close())
	}
	info, err := file.Stat()
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return 0, fmt.Errorf("--out: %w", err)
	}
	return uint64(info.Size()), os.Rename(file.Name(), path)
}

func newSessionsImportCommand(at *location) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Put a session from a file into the store of a stopped relay miner",
		Long: `Put a session that sessions export has written into the relay store. The relay
miner must be stopped; if the session has no outcome it is taken up at the next
start. The whole file is verified first, and a torn or altered one is refused
before anything is written. A session that is there already is not changed; one of
which relays are missing is completed.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one file (see %s --help)", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.use(cmd.Context(), toCreate, func(sessions admin.Sessions, where string) error {
				return importFile(cmd, sessions, args[0], where)
			})
		},
	}
}

func importFile(cmd *cobra.Command, sessions admin.Sessions, path, where string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	imported, alreadyThere, err := sessions.Import(cmd.Context(), file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	what := describeSummary(imported)
	if alreadyThere {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is in %s already\n", what, where)
		return err
	}
	next := "it has its outcome, nothing is left to be done for it"
	if !imported.State.Final() {
		next = "the relay miner takes it up at its next start"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "imported %s into %s: %s\n", what, where, next)
	return err
}

// describeSummary says which session it is and what is in it.
func describeSummary(s *session.Summary) string {
	return fmt.Sprintf("%s session %s of %s (%s, %s)", stateOf(s.State), s.SessionID, s.Supplier,
		counted(s.Relays, "relay", "relays"), humanBytes(s.Bytes))
}
