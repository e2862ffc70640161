package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
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
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when the relay miner has said that it serves
	ended chan struct{} // closed when the process has ended
}

// start starts a relay miner, and kills it at the end of the test if it still runs.
func (p program) start(t *testing.T) *process {
	t.Helper()
	cmd := exec.Command(p.path, p.args...)
	cmd.Env = append(os.Environ(), p.env...)
	started := &process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{})}
	cmd.Stdout = &readiness{ready: started.ready}
	cmd.Stderr = t.Output()
	if _, err := cmd.StdinPipe(); err != nil { // closed by Wait
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // awaited through ended
		defer close(started.ended)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails when it has ended
		<-started.ended
	})
	return started
}

// readiness closes ready at the first line that is written to it.
type readiness struct {
	ready chan struct{}
	once  sync.Once
}

func (r *readiness) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("\n")) {
		r.once.Do(func() { close(r.ready) })
	}
	return len(p), nil
}

// patience is how long a relay miner may take to start or to end. Either takes a
// second on a machine that has nothing else to do.
const patience = time.Minute

// awaitReady returns when the relay miner serves.
func (p *process) awaitReady(ctx context.Context, t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-p.ready:
	case <-p.ended:
		t.Fatalf("the relay miner ended instead of serving: %v", p.cmd.ProcessState)
	case <-ctx.Done():
		t.Fatal("the relay miner does not begin to serve")
	}
}

// awaitEnd returns when the process has ended, and how.
func (p *process) awaitEnd(ctx context.Context, t *testing.T) syscall.WaitStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatal("the relay miner does not end")
	}
	return p.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// signal sends a signal to the process.
func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("%v: %v", signal, err)
	}
}

// kill ends a running process as kill -9 does.
func (p *process) kill(ctx context.Context, t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	p.checkKilled(ctx, t)
}

// checkKilled makes sure that the process ended by SIGKILL and by nothing else.
func (p *process) checkKilled(ctx context.Context, t *testing.T) {
	t.Helper()
	if status := p.awaitEnd(ctx, t); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the relay miner was not killed, it ended by itself: %v", p.cmd.ProcessState)
	}
}

// stop ends the process in the way of an operator, who expects that it succeeds,
// and returns how long it took.
func (p *process) stop(ctx context.Context, t *testing.T, signal os.Signal) time.Duration {
	t.Helper()
	began := time.Now()
	p.signal(t, signal)
	if status := p.awaitEnd(ctx, t); !status.Exited() || status.ExitStatus() != 0 {
		t.Errorf("after %v the relay miner ended with %v", signal, p.cmd.ProcessState)
	}
	return time.Since(began)
}
