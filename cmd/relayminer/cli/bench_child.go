package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/bench"
)

// newLoadCommand returns the command of the child process of bench.
func newLoadCommand() *cobra.Command {
	var answerBytes int
	cmd := &cobra.Command{
		Use:    "load",
		Short:  "Send load as standard input says, for the bench command",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// What it allocates are requests, which are few and large; the memory and
			// the processors are for what is measured.
			debug.SetGCPercent(400)
			// An interrupt is for the parent, which ends this by closing the input.
			ctx := context.WithoutCancel(cmd.Context())
			return bench.ServeLoad(ctx, cmd.InOrStdin(), cmd.OutOrStdout(), answerBytes)
		},
	}
	cmd.Flags().IntVar(&answerBytes, "answer-bytes", 200, "size of the service's answers")
	return cmd
}

// loadProcess is the load generator, in a process of its own.
type loadProcess struct {
	*bench.Loader
	cmd   *exec.Cmd
	input io.Closer
}

// childPatience is how long the load generator may take to end.
const childPatience = 10 * time.Second

// startLoad starts this program again as a load generator.
func startLoad(ctx context.Context, plan bench.Plan, answerBytes int, stderr io.Writer) (*loadProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	cmd := exec.Command(self, "bench", "load", "--answer-bytes", fmt.Sprint(answerBytes))
	cmd.Stderr = stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	p := &loadProcess{cmd: cmd, input: input}
	if p.Loader, err = bench.NewLoader(ctx, input, output, plan); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// stop ends the process. Nothing else may be using it.
func (p *loadProcess) stop() error {
	_ = p.input.Close()
	overdue := time.AfterFunc(childPatience, func() { _ = p.cmd.Process.Kill() })
	defer overdue.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("load generator: %w", err)
	}
	return nil
}
