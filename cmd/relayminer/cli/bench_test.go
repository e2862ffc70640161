package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/bench"
)

// TestMain is the command line if the tests' program is started as the load generator.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "bench" && os.Args[2] == "load" {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// runBench runs the command and decodes what it prints into report, unless that is nil.
func runBench(ctx context.Context, t *testing.T, progress *watchedWriter, report any, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	root := newRootCommand()
	root.SetArgs(append([]string{"bench"}, args...))
	root.SetOut(&out)
	root.SetErr(progress)
	if err := root.ExecuteContext(ctx); err != nil {
		t.Fatalf("%v\n%s", err, progress.text.String())
	}
	if report != nil {
		if err := json.Unmarshal(out.Bytes(), report); err != nil {
			t.Fatalf("%v in %s", err, out.String())
		}
	}
	return out.String()
}

// watchedWriter calls found when something with the text is written.
type watchedWriter struct {
	text  bytes.Buffer
	watch string
	found func()
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	if w.found != nil && strings.Contains(string(p), w.watch) {
		w.found()
	}
	return w.text.Write(p)
}

func TestBench_EveryRelayThatWasAnsweredIsStoredClaimedAndPaid(t *testing.T) {
	dir := t.TempDir()
	profile := filepath.Join(t.TempDir(), "cpu.pprof")
	var report relayReport
	runBench(t.Context(), t, &watchedWriter{}, &report, "--relay", "--relays", "60", "--connections", "4",
		"--applications", "3", "--suppliers", "2", "--ring", "3", "--json", "--store", dir, "--cpuprofile", profile)
	if len(report.Phases) != 2 || report.Phases[0].Name != "maximum" || report.Phases[1].Name != "half load" {
		t.Fatalf("got %+v", report.Phases)
	}
	for _, p := range report.Phases {
		if p.Load.Answered != 60 || p.Load.Connections != 4 || p.Load.Checked == 0 || p.CPUMicros <= 0 || p.Ratio <= 0 || p.Allocs <= 0 {
			t.Errorf("got %+v, %+v", p, p.Load)
		}
	}
	want := settled{Answered: 180, Stored: 180, Claimed: 180, Paid: 180, Sessions: 6}
	if report.Settled == nil || *report.Settled != want {
		t.Errorf("got %+v, want %+v", report.Settled, want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left of the store, %v", left, err)
	}
	if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
		t.Errorf("CPU profile: %v", err)
	}
}

func TestBench_AnInterruptPrintsWhatWasMeasured(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var report relayReport
	runBench(ctx, t, &watchedWriter{watch: "measuring: half load", found: cancel}, &report,
		"--relay", "--relays", "40", "--connections", "2", "--json")
	if !report.Interrupted || len(report.Phases) != 1 || report.Phases[0].Load.Answered != 40 || report.Phases[0].Ratio <= 0 {
		t.Errorf("got %+v", report)
	}
	if s := report.Settled; s == nil || s.Answered != 80 || s.Paid != 80 {
		t.Errorf("got %+v", s)
	}
}

func TestBench_OverloadIsServedOverManyConnections(t *testing.T) {
	text := runBench(t.Context(), t, &watchedWriter{}, nil, "--overload", "--relays", "300", "--connections", "150")
	for _, part := range []string{"150 connections", "300 relays answered of 300 sent", "in all 600 relays answered, 0 replies lost: 600 stored, 600 claimed, 600 paid", "resident"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

func TestBench_VerifyPrintsEachCase(t *testing.T) {
	var report verifyReport
	runBench(t.Context(), t, &watchedWriter{}, &report, "--verify", "--ring", "2", "--applications", "3", "--duration", "1ms", "--json")
	if len(report.Lines) != 3 || report.Lines[0].Ratio <= 0 || report.Interrupted {
		t.Errorf("got %+v", report)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report = verifyReport{}
	runBench(ctx, t, &watchedWriter{}, &report, "--verify", "--json")
	if !report.Interrupted || len(report.Lines) != 0 {
		t.Errorf("interrupted: got %+v", report)
	}
}

func TestBench_FlagsAreChecked(t *testing.T) {
	for args, want := range map[string]string{
		"":                                 "at least one of the flags",
		"--verify --relay":                 "none of the others can be",
		"--relay --ring 1":                 "--ring",
		"--relay --ring 2,3":               "--ring",
		"--verify --ring 33":               "--ring",
		"--relay --rate fast":              "--rate: \"fast\"",
		"--relay --rate -1":                "--rate",
		"--relay --connections -1":         "--connections",
		"--relay --relays 1 --duration 1s": "relays duration",
	} {
		root := newRootCommand()
		root.SetArgs(append([]string{"bench"}, strings.Fields(args)...))
		root.SetOut(&bytes.Buffer{})
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
	}
}

func TestSettled_NoticesWhatWasLost(t *testing.T) {
	for _, c := range []struct {
		settled
		complete bool
	}{
		{settled{Answered: 5, Stored: 5, Claimed: 5, Paid: 5}, true},
		{settled{Answered: 5, Lost: 2, Stored: 6, Claimed: 6, Paid: 6}, true}, // a reply did not arrive
		{settled{Answered: 5, Stored: 4, Claimed: 4, Paid: 4}, false},
		{settled{Answered: 5, Stored: 6, Claimed: 6, Paid: 6}, false},
		{settled{Answered: 5, Stored: 5, Claimed: 4, Paid: 4}, false},
		{settled{Answered: 5, Stored: 5, Claimed: 5, Paid: 4}, false},
	} {
		if got := c.settled.complete(); got != c.complete {
			t.Errorf("%+v: got %v", c.settled, got)
		}
	}
}

func TestRelayReport_IsPrintedAsText(t *testing.T) {
	latencies := func(d time.Duration) bench.Latencies {
		return bench.Latencies{Count: 1, Mean: d, P50: 2 * d, P99: 3 * d, P999: 4 * d, Max: 5 * d}
	}
	report := &relayReport{
		Interrupted: true, Ring: 2, Applications: 20, Suppliers: 1, Durability: "reply", AnswerBytes: 200,
		RingGoMicros: 800, PeakRSS: 128 << 20,
		Settled: &settled{Answered: 100, Lost: 1, Stored: 101, Claimed: 101, Paid: 101, Sessions: 20},
		Phases: []*phase{{
			Name: "held load", Rate: 50,
			Load: &bench.Result{
				Connections: 32, Sent: 103, Answered: 100, Elapsed: 2 * time.Second, Checked: 1,
				Answers: latencies(3 * time.Millisecond), Refusals: latencies(time.Millisecond),
				Refused: map[string]int{"rate limited": 2}, Failed: map[string]int{"EOF": 1},
			},
			Direct:          &bench.Result{Answers: latencies(time.Millisecond)},
			RelaysPerSecond: 50, CPUMicros: 200, LoadCPUMicros: 40, Allocs: 190, AllocBytes: 17408,
			StoreWaitMicros: 1500, Ratio: 0.25,
			Steps: []bench.Share{{Step: "verify", Share: 0.75}, {Step: "other", Share: 0.25}},
		}},
	}
	var out bytes.Buffer
	if err := report.print(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "bench.txt", out.String())
}
