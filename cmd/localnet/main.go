// Command localnet runs a Pocket chain of one validator in one process, with
// staked applications, gateways and suppliers, a service for them and the
// configuration with which a relay miner joins. It is for demonstrations and
// for trying a relay miner out: its keys are public knowledge.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	// CometBFT's log files catch SIGHUP, so that it no longer ends the process
	// by itself when the terminal goes away.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: "+oneLine(err))
		os.Exit(1)
	}
}

// newRootCommand returns the command with all its subcommands.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "localnet",
		Short: "A Pocket chain in one process, for trying a relay miner out",
		Args:  cobra.NoArgs,
		// main prints the error, on one line and without the usage.
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(newStartCommand(), newDemoCommand(), newChaosCommand(), newChildCommand())
	return root
}

// oneLine returns the error's text without line breaks.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
