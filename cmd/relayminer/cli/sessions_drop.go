package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
)

func newSessionsDropCommand(at *location) *cobra.Command {
	var supplier string
	var force bool
	cmd := &cobra.Command{
		Use:   "drop ID",
		Short: "Delete a session and its relays",
		Long: `Delete a session's record and all of its relays. There is no question and no way
back; sessions export keeps a copy.

A session without an outcome is refused unless --force is given: its relays can
still be paid and, once it is claimed, its supplier is slashed if a proof is
required and missing. Of a running relay miner, --force also ends the work on the
session; a transaction that was sent is not taken back by that.`,
		Args: nameArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.use(cmd.Context(), toChange, func(sessions admin.Sessions, where string) error {
				dropped, err := sessions.Drop(cmd.Context(), session.Name{ID: args[0], Supplier: supplier}, force)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "dropped %s from %s\n", describeSummary(dropped), where)
				return err
			})
		},
	}
	supplierFlag(cmd.Flags(), &supplier)
	cmd.Flags().BoolVar(&force, "force", false, "drop it even if it can still be paid or slashed")
	return cmd
}
