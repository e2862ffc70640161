package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

// startOptions are the flags of the start command.
type startOptions struct {
	config           localnet.Config
	proofProbability float64
	logLevel         string
}

func newStartCommand() *cobra.Command {
	var options startOptions
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Run a chain until interrupted",
		Long: `Run a chain until SIGINT or SIGTERM.

The home receives the keys of all accounts (keyring backend "test"), a
description of the network in localnet.json and a relay miner's configuration in
relayminer.yaml. When blocks flow, one line with the addresses is printed, and
below it two commands: with the first a relay miner joins the network, with the
second a relay is sent.

The chain lives in memory: stopping the command forgets it, and each start needs
an empty home. Keys are the same in every run.`,
		Example: `  localnet start
  localnet start --home /tmp/chain --suppliers 3 --applications 10 --block-time 1s
  localnet start --proof-probability 0.1 --backend-delay 20ms`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return options.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.register(cmd)
	return cmd
}

func (o *startOptions) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	c := &o.config
	flags.StringVar(&c.Home, "home", "", "empty or new directory for the network's files (default a new temporary directory)")
	flags.StringVar(&c.ChainID, "chain-id", localnet.DefaultChainID, "chain id")
	flags.DurationVar(&c.BlockTime, "block-time", localnet.DefaultBlockTime, "pause between blocks")
	flags.IntVar(&c.BlocksPerSession, "blocks-per-session", localnet.DefaultBlocksPerSession, "length of a session in blocks, at least 2")
	flags.IntVar(&c.Suppliers, "suppliers", 1, "number of suppliers; all of them are in every session")
	flags.IntVar(&c.Applications, "applications", 1, "number of applications, each delegating to all gateways")
	flags.IntVar(&c.Gateways, "gateways", 1, "number of gateways")
	flags.Float64Var(&o.proofProbability, "proof-probability", 1, "probability that a claim needs a proof, 0 to 1")
	flags.DurationVar(&c.BackendDelay, "backend-delay", 0, "time that the service takes to answer a relay")
	flags.StringVar(&c.RPCAddr, "rpc-addr", "", "host:port of the CometBFT RPC (default a free port on loopback)")
	flags.StringVar(&c.GRPCAddr, "grpc-addr", "", "host:port of gRPC (default a free port on loopback)")
	flags.StringVar(&o.logLevel, "log-level", "error", "what the chain logs to stderr: debug, info, warn, error or off")
}

// remedies names the flag that sets a field of localnet.Config, and what its
// value should be.
var remedies = map[string]struct{ flag, fix string }{
	"Home":             {"home", "name an empty or new directory that can be written"},
	"ChainID":          {"chain-id", "use 1 to 50 characters"},
	"BlockTime":        {"block-time", "use a duration such as 200ms"},
	"BlocksPerSession": {"blocks-per-session", "use 2 or more"},
	"Suppliers":        {"suppliers", "use 1 to 5000"},
	"Applications":     {"applications", "use 1 to 5000"},
	"Gateways":         {"gateways", "use 1 to 5000"},
	"ProofProbability": {"proof-probability", "use 0 to 1"},
	"BackendDelay":     {"backend-delay", "use a duration such as 20ms"},
	"RPCAddr":          {"rpc-addr", "name a free host:port or leave the flag out"},
	"GRPCAddr":         {"grpc-addr", "name a free host:port or leave the flag out"},
}

func (o *startOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	config, err := o.complete(stderr)
	if err != nil {
		return err
	}
	network, err := localnet.Start(ctx, config)
	if err != nil {
		if ctx.Err() != nil {
			return nil // interrupted before the first block
		}
		return nameFlag(err)
	}
	defer func() { err = errors.Join(err, network.Stop()) }()
	if err := printReady(stdout, network); err != nil {
		return err
	}
	return network.Wait(ctx)
}

// complete turns the flags into a configuration. Errors name the flag.
func (o *startOptions) complete(stderr io.Writer) (localnet.Config, error) {
	config := o.config
	config.ProofProbability = &o.proofProbability
	// A field that is zero means the default in a Config. As a flag's value it
	// was asked for, and cannot be had.
	for _, zero := range []struct {
		field string
		is    bool
	}{
		{"Suppliers", config.Suppliers == 0},
		{"Applications", config.Applications == 0},
		{"Gateways", config.Gateways == 0},
		{"BlocksPerSession", config.BlocksPerSession == 0},
		{"BlockTime", config.BlockTime == 0},
		{"ChainID", config.ChainID == ""},
	} {
		if zero.is {
			return config, nameFlag(&localnet.ConfigError{Field: zero.field, Err: errors.New("is empty or zero")})
		}
	}
	logger, err := newLogger(stderr, o.logLevel)
	if err != nil {
		return config, err
	}
	config.Logger = logger
	return config, nil
}

func newLogger(stderr io.Writer, level string) (*slog.Logger, error) {
	if level == "off" {
		return slog.New(slog.DiscardHandler), nil
	}
	var parsed slog.Level
	if err := parsed.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %q is unknown: use debug, info, warn, error or off", level)
	}
	return slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: parsed})), nil
}

// nameFlag puts the flag to change in front of an error about its value, and
// the remedy behind it.
func nameFlag(err error) error {
	var configErr *localnet.ConfigError
	if errors.As(err, &configErr) {
		if remedy, ok := remedies[configErr.Field]; ok {
			return fmt.Errorf("--%s: %w: %s", remedy.flag, configErr.Err, remedy.fix)
		}
	}
	return err
}

func printReady(out io.Writer, network *localnet.Network) error {
	_, err := fmt.Fprintf(out, "ready chain_id=%s rpc=%s grpc=%s config=%s keyring=%s home=%s\nrelayminer %s\nrelayminer %s\n",
		network.ChainID, network.RPCURL, network.GRPCURL, network.ConfigPath, network.KeyringDir, network.Home,
		strings.Join(quoteArgs(network.RelayMinerArgs()), " "), strings.Join(quoteArgs(relayArgs(network)), " "))
	if err != nil {
		return fmt.Errorf("print the addresses: %w", err)
	}
	return nil
}

// relayArgs returns the arguments with which a relay of the first application is
// sent.
func relayArgs(network *localnet.Network) []string {
	return []string{
		"relay",
		"--app", network.Applications[0].Address,
		"--payload", `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`,
		"--chain-id", network.ChainID,
		"--node", network.RPCURL,
		"--grpc-addr", network.GRPCURL,
		"--keyring-backend", "test",
		"--keyring-dir", network.KeyringDir,
	}
}

// quoteArgs makes arguments ready to paste into a shell.
func quoteArgs(args []string) []string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'`$&|;<>()*?[]#~\\!{}") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return quoted
}
