package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// Main runs the command line and returns the status to exit with. SIGINT and
// SIGTERM end the running command cleanly; a second one ends the process.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	chain.SetBech32Prefixes()
	ctx, stop := untilSignal()
	defer stop()

	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "error: "+describeError(err))
		return 1
	}
	return 0
}

// newRootCommand returns the command with all its subcommands.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "relayminer",
		Short: "Serve relays for Pocket Network suppliers and earn their reward",
		Long: `relayminer stands in front of a supplier's services. It serves the relay requests
of gateways and applications, keeps the evidence, and claims and proves each
session on chain.`,
		Args:              noArgs,
		SilenceErrors:     true, // Main prints the error
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(newStartCommand(), newRelayCommand(), newSessionsCommand(), newTxsCommand(),
		newLedgerCommand(), newStatusCommand(), newPauseCommand(), newResumeCommand(), newFlushCommand(), newProverCommand(), newBenchCommand(), newVersionCommand())
	return root
}
