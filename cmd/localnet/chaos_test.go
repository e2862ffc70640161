package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain makes the test binary the relay miner that a chaos run starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		main()
		return
	}
	os.Exit(m.Run())
}

// patienceWithChaos bounds a run: it takes some 40 seconds.
const patienceWithChaos = 3 * time.Minute

// shortChaos is a run of two sessions of five suppliers, whose seed kills the
// relay miner while relays are sent.
func shortChaos(home string) []string {
	return []string{
		"chaos", "--home", home, "--json", "--seed", "7", "--sessions", "10", "--applications", "1",
		"--block-time", "800ms", "--blocks-per-session", "5",
	}
}

func TestChaos_LosesNoAnsweredRelay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patienceWithChaos)
	defer cancel()
	var stdout bytes.Buffer
	root := newRootCommand()
	root.SetArgs(shortChaos(t.TempDir()))
	root.SetOut(&stdout)
	root.SetErr(t.Output())
	if err := root.ExecuteContext(ctx); err != nil {
		t.Error(err)
	}
	var report chaosReport
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s", err, &stdout)
	}
	answered := *report.state(stateAnswered)
	if answered.Sessions < 10 || answered.Relays == 0 {
		t.Errorf("%d relays were answered in %d sessions, want some in 10", answered.Relays, answered.Sessions)
	}
	for _, name := range []string{stateClaimed, stateProven, stateSettled} {
		if s := *report.state(name); s.Sessions < answered.Sessions || s.Relays < answered.Relays {
			t.Errorf("%d relays in %d sessions are %s, %d in %d were answered",
				s.Relays, s.Sessions, name, answered.Relays, answered.Sessions)
		}
	}
	if settled := report.state(stateSettled); settled.Upokt == 0 {
		t.Error("nothing was paid")
	}
	for _, kind := range []faultKind{killMiner, restartNode, slowDisk, slowBackend} {
		if report.Faults[kind] == 0 {
			t.Errorf("there was no %s", kind)
		}
	}
	if report.Seed != 7 || len(report.Problems) > 0 {
		t.Errorf("seed %d had problems %q", report.Seed, report.Problems)
	}
}

// trigger calls its function when a text is written.
type trigger struct {
	text string
	once sync.Once
	call func()
}

// Write implements io.Writer.
func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.once.Do(w.call)
	}
	return len(p), nil
}

func TestChaos_InterruptedPrintsWhatItHas(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patienceWithChaos)
	defer cancel()
	home := t.TempDir()
	var stdout bytes.Buffer
	root := newRootCommand()
	root.SetArgs(shortChaos(home))
	root.SetOut(&stdout)
	root.SetErr(io.MultiWriter(t.Output(), &trigger{text: "fault: ", call: cancel}))
	if err := root.ExecuteContext(ctx); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("the interrupted run ended with %v", err)
	}
	var report chaosReport
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s", err, &stdout)
	}
	if s := report.state(stateAnswered); s.Relays == 0 {
		t.Errorf("no relay was answered before the first fault: %+v", report)
	}
	if len(report.Problems) > 0 {
		t.Errorf("what was not over counts as lost: %q", report.Problems)
	}
	if _, err := os.Stat(filepath.Join(home, "relayminer.log")); err != nil {
		t.Error(err)
	}
}

func TestChaos_MistakeNamesTheFlag(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--sessions -1", "--sessions: -1 is negative"},
		{"--sessions 0 --duration 0", "--sessions: without a number"},
		{"--duration -1s", "--duration: -1s is negative"},
		{"--window 5", "--window: 5 is not"},
		{"--rate 0", "--rate: 0 is not"},
		{"--suppliers 0", "--suppliers: "},
	} {
		_, err := run(t.Context(), append([]string{"chaos"}, strings.Fields(test.args)...)...)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %q", test.args, err, test.want)
		}
	}
}

func TestClaimTally_FindsEveryLoss(t *testing.T) {
	good := claimTally{sent: 10, served: 9, claimed: 9, required: true, proven: true, settled: true, paidFor: 9}
	for _, test := range []struct {
		name   string
		change func(*claimTally)
		over   bool
		want   string // part of the only loss, empty if there is none
	}{
		{"all is well", func(*claimTally) {}, true, ""},
		{"stored and not answered", func(c *claimTally) { c.served = 8 }, true, ""},
		{"no proof needed", func(c *claimTally) { c.required, c.proven = false, false }, true, ""},
		{"nothing answered, nothing claimed", func(c *claimTally) { *c = claimTally{sent: 3} }, true, ""},
		{"not claimed yet", func(c *claimTally) { *c = claimTally{sent: 3, served: 3} }, false, ""},
		{"never claimed", func(c *claimTally) { *c = claimTally{sent: 3, served: 3} }, true, "served 3 relays and claimed 0"},
		{"never settled", func(c *claimTally) { c.settled = false }, true, "not settled"},
		{"never settled, though nothing was answered", func(c *claimTally) { c.settled, c.served = false, 0 }, true, "not settled"},
		{"settled for less", func(c *claimTally) { c.paidFor = 5 }, true, "served 9 relays and settled 5"},
		{"claimed too little", func(c *claimTally) { c.claimed = 8 }, false, "served 9 relays and claimed 8"},
		{"proof not judged", func(c *claimTally) { c.proven = false }, false, "not judged valid"},
		{"expired", func(c *claimTally) { c.settled, c.expired = false, true }, false, "expired"},
		{"slashed", func(c *claimTally) { c.slashed = true }, false, "slashed"},
		{"the chain complains", func(c *claimTally) { c.faults = []string{"invalid proof: bad"} }, false, "invalid proof: bad"},
	} {
		claim := good
		test.change(&claim)
		losses := claim.losses(test.over)
		switch {
		case test.want == "" && len(losses) > 0:
			t.Errorf("%s: found %q", test.name, losses)
		case test.want != "" && (len(losses) != 1 || !strings.Contains(losses[0], test.want)):
			t.Errorf("%s: found %q, want %q", test.name, losses, test.want)
		}
	}
}
