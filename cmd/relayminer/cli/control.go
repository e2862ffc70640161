package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed52205347/relayminer/pkg/admin"
)

func newPauseCommand() *cobra.Command {
	var reason string
	cmd := newControlCommand(
		"pause", "Hold claims that are not urgent",
		`Hold the claims of a running relay miner that are not urgent, until relayminer resume
or until the relay miner is started anew. Relays are served on and kept, required
proofs are sent, and claims are sent whose window is about to close.`,
		func(cmd *cobra.Command, controller admin.Controller) (string, error) {
			return "paused: relayminer resume lets claims go on", controller.Pause(reason)
		})
	cmd.Flags().StringVar(&reason, "reason", "by the operator", "why, for relayminer status and the log")
	return cmd
}

func newResumeCommand() *cobra.Command {
	return newControlCommand(
		"resume", "Let claims go on that were held",
		`Let the claims of a running relay miner go on that relayminer pause has held. It
does nothing if there is no pause.`,
		func(_ *cobra.Command, controller admin.Controller) (string, error) {
			return "resumed", controller.Resume()
		})
}

func newFlushCommand() *cobra.Command {
	return newControlCommand(
		"flush", "Send what waits, and sync the store",
		`Have a running relay miner send at once the claims and proofs that wait to travel
with others, and sync what its store has taken to the disk. It returns when the store
is synced; relayminer txs --open shows what was sent.`,
		func(cmd *cobra.Command, controller admin.Controller) (string, error) {
			return "flushed", controller.Flush(cmd.Context())
		})
}

// newControlCommand returns a command that has a running relay miner do something,
// and prints what do returns.
func newControlCommand(
	name, short, long string,
	do func(cmd *cobra.Command, controller admin.Controller) (done string, err error),
) *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Long:  long + "\n\nThe relay miner is asked through the socket in its --home directory.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return asking(cmd.Context(), home, func(client *admin.Client) error {
				done, err := do(cmd, client.Controller(cmd.Context()))
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
				return err
			})
		},
	}
	homeFlag(cmd.Flags(), &home)
	return cmd
}

// homeFlag registers the flag that says which running relay miner is asked.
func homeFlag(flags *pflag.FlagSet, home *string) {
	flags.StringVar(home, "home", defaultHome(), "directory of the relay miner's own files")
}

// asking calls do with a client of the relay miner that answers in a home.
func asking(ctx context.Context, home string, do func(*admin.Client) error) error {
	client, err := admin.Dial(ctx, home)
	if errors.Is(err, admin.ErrNoServer) {
		return fmt.Errorf("%w (start it, or pass --home as it was passed to relayminer start)", err)
	}
	if err != nil {
		return err
	}
	defer client.Close()
	return do(client)
}
