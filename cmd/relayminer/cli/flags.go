package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/spf13/pflag"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// The values of flags that mean "as the configuration says", as in the official
// relay miner.
const (
	defaultNode     = "tcp://localhost:26657"
	defaultGRPCAddr = "localhost:9090"
)

// keyringFlags say where keys are.
type keyringFlags struct {
	home    string
	backend string
	dir     string
}

func (f *keyringFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.home, "home", defaultHome(), "directory of the relay miner's own files, and of the keyring unless --keyring-dir is set")
	flags.StringVar(&f.backend, "keyring-backend", "os", "where keys are kept: os, file, kwallet, pass, test or memory")
	flags.StringVar(&f.dir, "keyring-dir", "", "directory of the keyring (default the --home directory)")
}

func defaultHome() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".pocket"
	}
	return filepath.Join(home, ".pocket")
}

// openKeyring opens a keyring. Errors name the flags.
func openKeyring(backend, dir string, stdin io.Reader) (keyring.Keyring, error) {
	backends := []string{
		keyring.BackendOS, keyring.BackendFile, keyring.BackendKWallet, keyring.BackendPass, keyring.BackendTest, keyring.BackendMemory,
	}
	if !slices.Contains(backends, backend) {
		return nil, fmt.Errorf("--keyring-backend: %q is none of %s", backend, strings.Join(backends, ", "))
	}
	kr, err := chain.OpenKeyring(backend, dir, stdin)
	if err != nil {
		return nil, fmt.Errorf("--keyring-backend %s, --keyring-dir %s: %w", backend, dir, err)
	}
	return kr, nil
}

// keyringDir returns the directory of the keyring.
func (f *keyringFlags) keyringDir() string {
	if f.dir != "" {
		return f.dir
	}
	return f.home
}

// nodeFlags say how the chain is reached.
type nodeFlags struct {
	chainID      string
	node         string
	grpcAddr     string
	grpcInsecure bool
}

// register registers the flags. override says what the addresses take the place
// of; it may be empty.
func (f *nodeFlags) register(flags *pflag.FlagSet, override string) {
	flags.StringVar(&f.chainID, "chain-id", "", "chain id that the node must have, for example pocket (required)")
	flags.StringVar(&f.node, "node", defaultNode, "CometBFT RPC of the node"+override)
	flags.StringVar(&f.grpcAddr, "grpc-addr", defaultGRPCAddr, "gRPC address of the node"+override)
	flags.BoolVar(&f.grpcInsecure, "grpc-insecure", true, "gRPC without TLS, for addresses that do not say https")
}

// apply overrides the configured addresses with those that were given as flags.
func (f *nodeFlags) apply(flags *pflag.FlagSet, cfg *chain.Config) {
	cfg.ChainID = f.chainID
	if f.node != "" && f.node != defaultNode {
		cfg.QueryRPCURLs, cfg.TxRPCURLs = []string{f.node}, []string{f.node}
	}
	if f.grpcAddr != "" && f.grpcAddr != defaultGRPCAddr {
		cfg.QueryGRPCURLs = []string{f.grpcAddr}
	}
	if flags.Changed("grpc-insecure") {
		cfg.GRPCInsecure = &f.grpcInsecure
	}
}

// logFlags say what is logged and where to.
type logFlags struct {
	level  string
	output string
}

func (f *logFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.level, "log_level", "info", "what is logged: debug, info, warn or error")
	flags.StringVar(&f.output, "log-output", "-", "file that the log is appended to; - is standard error")
}

// open returns the logger and what closes its file.
func (f *logFlags) open(stderr io.Writer) (*slog.Logger, func() error, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, nil, fmt.Errorf("--log_level: %q is none of debug, info, warn, error", f.level)
	}
	out, closeOut := stderr, func() error { return nil }
	if f.output != "-" {
		file, err := os.OpenFile(f.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, nil, fmt.Errorf("--log-output: %w", err)
		}
		out, closeOut = file, file.Close
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level})), closeOut, nil
}
