package child_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/testutil/child"
)

// roleEnv makes the test binary the child of a test: it serves, repeats on
// standard error what it is told, and ends with its standard input or at "end".
const roleEnv = "CHILD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "serve":
		serve()
	case "fail":
		os.Exit(3)
	default:
		goleak.VerifyTestMain(m)
	}
}

func serve() {
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && lines.Text() != "end" {
		fmt.Fprintln(os.Stderr, lines.Text())
	}
}

// start starts the test binary in a role, and kills it at the end of the test.
func start(t *testing.T, role string) (*child.Process, *strings.Builder) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	process, err := child.Program{Path: path, Env: []string{roleEnv + "=" + role}, Stderr: &stderr}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Signal(syscall.SIGKILL) // fails when it has ended
		<-process.Ended()
	})
	return process, &stderr
}

func serving(t *testing.T) (*child.Process, *strings.Builder) {
	t.Helper()
	process, stderr := start(t, "serve")
	if err := process.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return process, stderr
}

func TestProcess_HearsWhatItIsTold(t *testing.T) {
	process, stderr := serving(t)
	for _, line := range []string{"one", "two", "end"} {
		if err := process.Tell(line); err != nil {
			t.Fatal(err)
		}
	}
	if status, err := process.AwaitEnd(t.Context()); err != nil || status.ExitStatus() != 0 {
		t.Errorf("the process ended with %v, %v", status, err)
	}
	if stderr.String() != "one\ntwo\n" {
		t.Errorf("the process heard %q", stderr)
	}
}

func TestKill_TellsItsWorkFromAnEndOfItsOwn(t *testing.T) {
	killed, _ := serving(t)
	if err := killed.Kill(t.Context()); err != nil {
		t.Error(err)
	}
	failed, _ := start(t, "fail")
	if _, err := failed.AwaitEnd(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := failed.Kill(t.Context()); !errors.Is(err, child.ErrEnded) {
		t.Errorf("killing a process that has ended says %v", err)
	}
}

func TestStop_WantsSuccess(t *testing.T) {
	process, _ := serving(t)
	// It does not handle the signal, so that it ends by it.
	if err := process.Stop(t.Context(), syscall.SIGTERM); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("stopping a process that the signal has ended says %v", err)
	}
}

func TestAwaitReady_EndsWithProcessAndContext(t *testing.T) {
	failed, _ := start(t, "fail")
	if err := failed.AwaitReady(t.Context()); !errors.Is(err, child.ErrEnded) {
		t.Errorf("waiting for a process that has ended says %v", err)
	}
	process, _ := serving(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := process.AwaitEnd(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with a context that has ended says %v", err)
	}
}
