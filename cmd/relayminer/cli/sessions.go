package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

func newSessionsCommand() *cobra.Command {
	var at location
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "See, verify, move and drop the sessions in the relay store",
		Long: `See, verify, move and drop the sessions in the relay store: those of a relay miner
that is running, which is asked through the socket in its --home directory, and
those of one that is stopped, whose store is opened.

The store is that of --store, or that of the configuration --config, or the
directory smt in --home. With none of them, a relay miner that answers in --home
is asked whatever its store is.

A session is named by its id or the beginning of it, as sessions list prints it.
Where several suppliers have the session, --supplier says which is meant.`,
		Example: `  relayminer sessions list --state claimed --state proving
  relayminer sessions show c1112e5a
  relayminer sessions verify --all --deep --config relayminer.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	at.register(cmd.PersistentFlags())
	cmd.AddCommand(
		newSessionsListCommand(&at),
		newSessionsShowCommand(&at),
		newSessionsVerifyCommand(&at),
		newSessionsProveCommand(&at),
		newSessionsExportCommand(&at),
		newSessionsImportCommand(&at),
		newSessionsDropCommand(&at),
	)
	return cmd
}

// location says where sessions are.
type location struct {
	home       string
	configPath string
	storeDir   string
}

func (l *location) register(flags *pflag.FlagSet) {
	homeFlag(flags, &l.home)
	flags.StringVar(&l.configPath, "config", "", "configuration file that names the relay store")
	flags.StringVar(&l.storeDir, "store", "", "directory of the relay store")
}

// access says what is going to be done to a store.
type access int

const (
	toRead   access = iota
	toChange        // the store must be there
	toCreate        // the store need not be there
)

// use calls do with the sessions of the running relay miner, if it answers, or
// with those of the store, which is closed afterwards. where is the directory of
// the store.
func (l *location) use(ctx context.Context, access access, do func(sessions admin.Sessions, where string) error) (err error) {
	dir, named, err := l.dir()
	if err != nil {
		return err
	}
	client, err := admin.Dial(ctx, l.home)
	switch {
	case err == nil:
		defer client.Close()
		if !named || sameDir(client.StoreDir(), dir) {
			return do(client, client.StoreDir())
		}
	case !errors.Is(err, admin.ErrNoServer):
		return err
	}
	st, err := l.open(ctx, dir, access)
	if err != nil && client != nil {
		return fmt.Errorf("%w; the relay miner that answers at %s works on %s", err, admin.SocketPath(l.home), client.StoreDir())
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close(context.WithoutCancel(ctx))) }()
	return do(session.NewInspector(st), dir)
}

// dir returns the directory of the store, and whether a flag names it.
func (l *location) dir() (dir string, named bool, err error) {
	switch {
	case l.storeDir != "" && l.configPath != "":
		return "", false, errors.New("--store and --config: one of them is enough")
	case l.storeDir != "":
		return l.storeDir, true, nil
	case l.configPath != "":
		cfg, err := config.Load(l.configPath)
		if err != nil {
			return "", false, fmt.Errorf("--config: %w", err)
		}
		return storeDir(cfg, l.home), true, nil
	default:
		return filepath.Join(l.home, "smt"), false, nil
	}
}

// open opens the store of a relay miner that is not running.
func (l *location) open(ctx context.Context, dir string, access access) (*store.Store, error) {
	if access == toChange {
		// To see that it is there: a store that is opened to be changed is made if
		// there is none.
		st, err := l.open(ctx, dir, toRead)
		if err != nil {
			return nil, err
		}
		if err := st.Close(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
	}
	st, err := store.Open(dir, store.Options{ReadOnly: access == toRead})
	switch {
	case access == toRead && errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no relay store at %s: name it with --store, or the relay miner's configuration with --config", dir)
	case errors.Is(err, store.ErrLocked):
		return nil, fmt.Errorf("%w (no relay miner that works on it answers at %s: pass --home as it was passed to relayminer start, or stop it)",
			err, admin.SocketPath(l.home))
	}
	return st, err
}

// sameDir reports whether two paths are of one directory.
func sameDir(a, b string) bool {
	infoA, err := os.Stat(a)
	if err != nil {
		return false
	}
	infoB, err := os.Stat(b)
	return err == nil && os.SameFile(infoA, infoB)
}

// nameArgs takes the session's name from the arguments.
func nameArgs(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("name one session, by its id or the beginning of it (see %s --help)", cmd.CommandPath())
	}
	return nil
}

// supplierFlag registers the flag that says whose session is meant.
func supplierFlag(flags *pflag.FlagSet, supplier *string) {
	flags.StringVar(supplier, "supplier", "", "supplier of the session: operator address, or the beginning of it")
}

// printJSON prints a value on one line.
func printJSON(out io.Writer, value any) error { return json.NewEncoder(out).Encode(value) }
