package store

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// The test binary becomes another process when childEnv is set, to what it is to
// do: see runChild.
const childEnv = "RELAYSTORE_TEST_CHILD"

// runChild does what childEnv says, and reports whether it was set.
func runChild() bool {
	job := strings.Fields(os.Getenv(childEnv))
	if len(job) == 0 {
		return false
	}
	var err error
	switch job[0] {
	case "append":
		err = childAppend(job[1], job[2], job[3])
	case "memory":
		err = childMemory(job[1], job[2])
	case "lock":
		_, err = Open(job[1], Options{})
	default:
		err = fmt.Errorf("unknown job %q", job)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

// child returns the command that runs a job in another process.
func child(t *testing.T, job ...any) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+strings.TrimSpace(fmt.Sprintln(job...)))
	cmd.Stderr = os.Stderr
	return cmd
}

// roundsEnv multiplies the rounds of the tests that play with chance: kills,
// crashes and storms.
const roundsEnv = "RELAYSTORE_ROUNDS"

// rounds returns how many rounds a test plays.
func rounds(t *testing.T, n, short int) int {
	t.Helper()
	if testing.Short() {
		n = short
	}
	if v := os.Getenv(roundsEnv); v != "" {
		factor, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		n *= factor
	}
	return n
}
