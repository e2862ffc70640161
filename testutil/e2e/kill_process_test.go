package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
	"github.com/seed52205347/relayminer/testutil/child"
)

// minerEnv makes the test binary a relay miner: see TestMain. Its value is the
// point at which the relay miner dies, or "cli" for one that does not.
const minerEnv = "E2E_BECOME"

// TestMain makes the test binary another program in the processes that the tests
// start: `relayminer`, or a relay miner that kills itself at a point.
func TestMain(m *testing.M) {
	switch role := os.Getenv(minerEnv); role {
	case "":
		os.Exit(m.Run())
	case "cli":
		go func() { // ends with the process
			<-testEnded()
			os.Exit(1)
		}()
		os.Exit(cli.Main(os.Args[1:], strings.NewReader(""), os.Stdout, os.Stderr))
	default:
		err := runUntilDeath(point(role), os.Args[1:])
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// testEnded returns a channel that is closed when the process that started this
// one has ended: it holds the other end of the standard input.
func testEnded() <-chan struct{} {
	ended := make(chan struct{})
	go func() { // ends with the process
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return ended
}

// program is a relay miner that can be started.
type program struct {
	path string
	env  []string
	args []string
}

// commandLine returns `relayminer` as the test binary, which need not be built and
// ends with the test.
func commandLine(t *testing.T, args []string) program {
	t.Helper()
	return program{path: ownPath(t), env: []string{minerEnv + "=cli"}, args: args}
}

func ownPath(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// programEnv names a program to be used as the relay miner's own, one built with
// the race detector for example. Without it the program is built.
const programEnv = "E2E_RELAYMINER"

// ownProgram returns the relay miner's own program.
func ownProgram(t *testing.T, args []string) program {
	t.Helper()
	if path := os.Getenv(programEnv); path != "" {
		return program{path: path, args: args}
	}
	path := filepath.Join(t.TempDir(), "relayminer")
	build := exec.Command("go", "build", "-o", path, "github.com/seed52205347/relayminer/cmd/relayminer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the relay miner: %v\n%s", err, out)
	}
	return program{path: path, args: args}
}

// process is a running relay miner.
type process struct{ *child.Process }

// start starts a relay miner, and kills it at the end of the test if it still runs.
func (p program) start(t *testing.T) *process {
	t.Helper()
	started, err := child.Program{Path: p.path, Args: p.args, Env: p.env, Stderr: t.Output()}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = started.Signal(syscall.SIGKILL) // fails when it has ended
		<-started.Ended()
	})
	return &process{started}
}

// patience is how long a relay miner may take to start or to end.
const patience = child.Patience

// awaitReady returns when the relay miner serves.
func (p *process) awaitReady(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := p.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

// awaitEnd returns when the process has ended, and how.
func (p *process) awaitEnd(ctx context.Context, t *testing.T) syscall.WaitStatus {
	t.Helper()
	status, err := p.AwaitEnd(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// signal sends a signal to the process.
func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := p.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// kill ends a running process as kill -9 does.
func (p *process) kill(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := p.Kill(ctx); err != nil {
		t.Fatal(err)
	}
}

// checkKilled makes sure that the process ended by SIGKILL and by nothing else.
func (p *process) checkKilled(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := p.AwaitKilled(ctx); err != nil {
		t.Fatal(err)
	}
}

// stop ends the process in the way of an operator, who expects that it succeeds,
// and returns how long it took.
func (p *process) stop(ctx context.Context, t *testing.T, signal os.Signal) time.Duration {
	t.Helper()
	began := time.Now()
	if err := p.Stop(ctx, signal); err != nil {
		t.Error(err)
	}
	return time.Since(began)
}
