package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
	"github.com/seed52205347/relayminer/pkg/chain"
)

// childCommand is the name of the hidden command that is a relay miner which its
// parent can slow down.
const childCommand = "child-miner"

// diskOrder begins a line on the child's standard input: what follows is how long
// each write that is to be durable takes from now on.
const diskOrder = "disk "

// childStop is how long the child may take to finish relays in flight.
const childStop = 30 * time.Second

// childOptions are the flags of the child.
type childOptions struct {
	miner     cli.Options
	rpc, grpc string
	timeout   time.Duration
}

func newChildCommand() *cobra.Command {
	var options childOptions
	cmd := &cobra.Command{
		Use:    childCommand,
		Short:  "Serve relays until interrupted, for the chaos command",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return options.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.miner.ConfigPath, "config", "", "configuration file")
	flags.StringVar(&options.miner.Home, "home", "", "directory of the relay miner's own files")
	flags.StringVar(&options.miner.KeyringBackend, "keyring-backend", "", "keyring backend")
	flags.StringVar(&options.miner.KeyringDir, "keyring-dir", "", "directory of the keyring")
	flags.StringVar(&options.miner.ChainID, "chain-id", "", "chain id")
	flags.StringVar(&options.rpc, "rpc", "", "URL of the CometBFT RPC")
	flags.StringVar(&options.grpc, "grpc", "", "host:port of gRPC")
	flags.DurationVar(&options.timeout, "timeout", chain.DefaultTimeout, "how long one attempt at one call may take")
	return cmd
}

// args returns the command line of a child with these options.
func (o *childOptions) args() []string {
	return []string{
		childCommand,
		"--config", o.miner.ConfigPath,
		"--home", o.miner.Home,
		"--keyring-backend", o.miner.KeyringBackend,
		"--keyring-dir", o.miner.KeyringDir,
		"--chain-id", o.miner.ChainID,
		"--rpc", o.rpc,
		"--grpc", o.grpc,
		"--timeout", o.timeout.String(),
	}
}

// run serves relays as "relayminer start" does, until it is interrupted or its
// parent, which holds the other end of stdin, has ended.
func (o *childOptions) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slow := &disk{wait: time.Sleep}
	// Pebble's own default, since a relay miner is not told by its configuration
	// which file system it has.
	vfs.Default = slow.below(vfs.Default)
	go func() { // ends with stdin, at the latest with the process
		defer cancel()
		slow.obey(stdin)
	}()
	chain.SetBech32Prefixes()
	o.miner.Node = func(c *chain.Config) {
		c.QueryGRPCURLs = []string{o.grpc}
		c.QueryRPCURLs, c.TxRPCURLs = []string{o.rpc}, []string{o.rpc}
		c.Timeout = o.timeout
	}
	o.miner.Log = slog.New(slog.NewTextHandler(stderr, nil))
	miner, err := cli.New(ctx, o.miner)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), childStop)
		defer cancel()
		err = errors.Join(err, miner.Stop(ctx))
	}()
	if err := miner.Start(ctx); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, "ready"); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// disk makes what is written to be durable take longer.
type disk struct {
	wait  func(time.Duration)
	delay atomic.Int64 // nanoseconds
}

// below returns the file system on this disk.
func (d *disk) below(files vfs.FS) vfs.FS {
	return errorfs.Wrap(files, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			d.wait(time.Duration(d.delay.Load()))
		}
		return nil
	}))
}

// obey does what each line says, until there are no more. Lines that it does not
// know change nothing.
func (d *disk) obey(orders io.Reader) {
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		text, known := strings.CutPrefix(lines.Text(), diskOrder)
		if delay, err := time.ParseDuration(text); known && err == nil {
			d.delay.Store(int64(delay))
		}
	}
}
