package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// describeError returns an error as it is shown to the operator: on one line, or,
// where a configuration has several problems, on one line for each.
func describeError(err error) string {
	lines := strings.FieldsFunc(strings.TrimSpace(err.Error()), func(r rune) bool { return r == '\n' || r == '\r' })
	if problem := (*config.Error)(nil); errors.As(err, &problem) {
		return strings.Join(lines, "\n")
	}
	return strings.Join(lines, "; ")
}

// noArgs refuses arguments of a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	what := "argument"
	if cmd.HasAvailableSubCommands() {
		what = "command"
	}
	return fmt.Errorf("unknown %s %q (see %s --help)", what, args[0], cmd.CommandPath())
}
