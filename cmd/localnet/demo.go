package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// demoOptions are the flags of the demo command.
type demoOptions struct {
	start       startOptions
	relays      int
	concurrency int
	timeout     time.Duration
	json        bool
}

func newDemoCommand() *cobra.Command {
	var options demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Send relays through a relay miner and watch them being paid",
		Long: `Run a chain and a relay miner as "relayminer start" does, send signed relays, and
follow them until the chain has settled the claims of all sessions.

The table at the end shows what became of the relays. The exit status is 0 only
if every relay that was served was claimed and every claim was settled.`,
		Example: `  localnet demo --relays 300
  localnet demo --relays 5000 --suppliers 3 --applications 10 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return options.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.start.register(cmd)
	flags := cmd.Flags()
	// The node complains of connections that end with the demo.
	preset(flags, "log-level", "off")
	flags.IntVar(&options.relays, "relays", 300, "number of relays to have served")
	flags.IntVar(&options.concurrency, "concurrency", 8, "number of relays under way at once")
	flags.DurationVar(&options.timeout, "timeout", 10*time.Minute, "time after which the demo gives up")
	flags.BoolVar(&options.json, "json", false, "print one JSON object at the end instead of a table")
	return cmd
}

// preset gives a flag another default, one that it accepts.
func preset(flags *pflag.FlagSet, name, value string) {
	flag := flags.Lookup(name)
	if err := flag.Value.Set(value); err != nil {
		panic(err)
	}
	flag.DefValue = value
}

func (o *demoOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if o.relays < 1 {
		return fmt.Errorf("--relays: %d is too few", o.relays)
	}
	if o.concurrency < 1 {
		return fmt.Errorf("--concurrency: %d is too few", o.concurrency)
	}
	config, err := o.start.complete(stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("--timeout: not finished after %s", o.timeout))
	defer cancel()
	temporary := config.Home == ""
	network, err := localnet.Start(ctx, config)
	if err != nil {
		return nameFlag(err)
	}
	defer func() {
		err = errors.Join(err, network.Stop())
		if temporary {
			err = errors.Join(err, os.RemoveAll(network.Home))
		}
	}()
	result, err := o.demonstrate(ctx, network, stderr)
	if err != nil {
		return err
	}
	if err := o.print(stdout, result); err != nil {
		return err
	}
	return result.verdict()
}

// demonstrate runs the relay miner and sends relays until all are settled.
func (o *demoOptions) demonstrate(ctx context.Context, network *localnet.Network, progress io.Writer) (_ *result, err error) {
	began := time.Now()
	logFile, err := os.Create(filepath.Join(network.Home, "relayminer.log"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	fmt.Fprintf(progress, "chain %s runs at %s; the relay miner logs to %s\n", network.ChainID, network.RPCURL, logFile.Name())

	miner, err := cli.New(ctx, relayMinerOptions(network, slog.New(slog.NewTextHandler(logFile, nil))))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, miner.Stop(context.WithoutCancel(ctx))) }()
	if err := miner.Start(ctx); err != nil {
		return nil, err
	}
	lifetime, err := sessionLifetime(ctx, network)
	if err != nil {
		return nil, err
	}
	t := newTally(progress, o.relays, lifetime)
	if err := followed(ctx, network, t, func(ctx context.Context) error {
		return o.sendRelays(ctx, network, t)
	}); err != nil {
		return nil, err
	}
	records, err := miner.Sessions()
	if err != nil {
		return nil, err
	}
	return t.result(records, time.Since(began)), nil
}

// sessionLifetime returns the number of blocks after a session's end within which
// its claim is settled or expires.
func sessionLifetime(ctx context.Context, network *localnet.Network) (_ int64, err error) {
	conn, err := network.Dial()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	params, err := sharedtypes.NewQueryClient(conn).Params(ctx, &sharedtypes.QueryParamsRequest{})
	if err != nil {
		return 0, fmt.Errorf("shared params: %w", err)
	}
	return sharedtypes.GetSessionEndToProofWindowCloseBlocks(&params.Params) + 1, nil
}

// followed runs send while the tally follows the chain, and then until all that
// was sent is settled.
func followed(ctx context.Context, network *localnet.Network, t *tally, send func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	following := make(chan error, 1)
	go func() {
		err := t.follow(ctx, network)
		if err != nil {
			cancel(err) // nothing to wait for: let the sending end too
		}
		following <- err
	}()
	sendErr := send(ctx)
	t.allSent()
	if sendErr != nil {
		cancel(sendErr)
	}
	return errors.Join(sendErr, <-following)
}

// relayMinerOptions returns what "relayminer start" would be told by the
// arguments that "localnet start" prints.
func relayMinerOptions(network *localnet.Network, log *slog.Logger) cli.Options {
	return cli.Options{
		ConfigPath:     network.ConfigPath,
		Home:           filepath.Join(network.Home, "relayminer"),
		KeyringBackend: "test",
		KeyringDir:     network.KeyringDir,
		ChainID:        network.ChainID,
		Log:            log,
	}
}

func (o *demoOptions) print(out io.Writer, r *result) error {
	if o.json {
		return json.NewEncoder(out).Encode(r)
	}
	return r.writeTable(out)
}
