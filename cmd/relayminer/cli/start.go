package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// shutdownTimeout is how long relays in flight may take after the signal to stop.
const shutdownTimeout = 30 * time.Second

// startFlags are the flags of the start command: those of the official relay
// miner.
type startFlags struct {
	configPath    string
	gasPrices     string
	gasAdjustment float64
	keyring       keyringFlags
	node          nodeFlags
	log           logFlags
}

func newStartCommand() *cobra.Command {
	var flags startFlags
	cmd := &cobra.Command{
		Use:   "start --config FILE --chain-id ID",
		Short: "Serve relays until interrupted",
		Long: `Serve relays, and claim and prove sessions, until SIGINT or SIGTERM.

The configuration is the official relay miner's YAML file. Sessions that an
earlier run left unfinished are taken up where it left them. On a signal, relays
in flight are finished and claims and proofs are parked; a second signal ends the
process at once, which loses nothing that was answered either.`,
		Example: `  relayminer start --config relayminer.yaml --chain-id pocket --keyring-backend file --gas-prices 0.001upokt`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.run(cmd)
		},
	}
	flags.register(cmd.Flags())
	return cmd
}

func (f *startFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.configPath, "config", "", "configuration file (required)")
	flags.StringVar(&f.gasPrices, "gas-prices", "", "price of gas, for example 0.001upokt; empty pays no fees")
	flags.Float64Var(&f.gasAdjustment, "gas-adjustment", 0, "factor by which simulated gas is exceeded (default 1.5)")
	f.keyring.register(flags)
	f.node.register(flags, ", in place of the configured ones")
	f.log.register(flags)
	acceptIgnored(flags)
}

// acceptIgnored accepts flags of the official relay miner that have no effect
// here, so that its command lines keep working.
func acceptIgnored(flags *pflag.FlagSet) {
	flags.Bool("query-caching", true, "no effect: what cannot change is always cached")
	flags.String("fees", "", "no effect: fees follow from --gas-prices")
	flags.String("gas", "", "no effect: gas is always simulated")
	flags.Bool("unordered", false, "no effect: the relay miner decides")
	flags.Duration("timeout-duration", 0, "no effect: transactions time out with their window")
	for _, name := range []string{"query-caching", "fees", "gas", "unordered", "timeout-duration"} {
		flags.Lookup(name).Hidden = true
	}
}

func (f *startFlags) run(cmd *cobra.Command) (err error) {
	if f.configPath == "" {
		return errors.New("--config is not set: name the configuration file")
	}
	if f.node.chainID == "" {
		return errors.New("--chain-id is not set: name the chain, for example pocket")
	}
	log, closeLog, err := f.log.open(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()

	if f.gasPrices == "" {
		log.Warn("--gas-prices is not set: transactions pay no fee, which most nodes refuse; set it, for example to 0.001upokt")
	}
	tuneRuntime()
	miner, err := New(cmd.Context(), f.options(cmd, log))
	if err != nil {
		return startError(cmd.Context(), err)
	}
	if err := miner.Start(cmd.Context()); err != nil {
		return errors.Join(startError(cmd.Context(), err), stopWithin(miner, shutdownTimeout))
	}
	log.Info("relay miner started")
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), "ready"); err != nil {
		log.Warn("standard output cannot be written to", "error", err)
	}
	select {
	case <-cmd.Context().Done():
	case <-miner.Failed():
		log.Error("a part of the relay miner has failed for good", "error", miner.Err())
	}
	log.Info("stopping: relays in flight are finished first")
	if err := errors.Join(miner.Err(), stopWithin(miner, shutdownTimeout)); err != nil {
		return err
	}
	log.Info("relay miner stopped")
	return nil
}

// options returns what the flags say.
func (f *startFlags) options(cmd *cobra.Command, log *slog.Logger) Options {
	return Options{
		ConfigPath:     f.configPath,
		Home:           f.keyring.home,
		KeyringBackend: f.keyring.backend,
		KeyringDir:     f.keyring.keyringDir(),
		GasPrices:      f.gasPrices,
		GasAdjustment:  f.gasAdjustment,
		ChainID:        f.node.chainID,
		Node:           func(c *chain.Config) { f.node.apply(cmd.Flags(), c) },
		Stdin:          cmd.InOrStdin(),
		Log:            log,
	}
}

// startError returns nil if the start was interrupted by a signal.
func startError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// stopWithin stops the relay miner; relays in flight are cut off after the timeout.
func stopWithin(miner *Instance, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return miner.Stop(ctx)
}
