package cli

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// signalled makes this test binary a process that sends itself signals.
const signalled = "RELAYMINER_TEST_SIGNALLED"

func TestUntilSignal_TheSecondEndsTheProcessHoweverSoonItComes(t *testing.T) {
	if os.Getenv(signalled) != "" {
		ctx, stop := untilSignal()
		defer stop()
		for range 2 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			<-ctx.Done()
		}
		time.Sleep(time.Minute)
		return
	}
	for range 20 {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), signalled+"=yes")
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) {
			t.Fatalf("ended with %v", err)
		}
		if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
			t.Fatalf("ended with %v", exit)
		}
	}
}

func TestUntilSignal_TheFirstEndsTheContext(t *testing.T) {
	ctx, stop := untilSignal()
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Error("the context has not ended")
	}
}
