package cli

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/session"
)

func number[T any](n T) *T { return &n }

// exampleStatus is the status of a relay miner that has a bit of everything.
func exampleStatus() *admin.Status {
	s := &admin.Status{
		Version: "relayminer v1", Started: at(0), Now: at(0).Add(26 * time.Hour),
		Chain: admin.Chain{ID: "pocket", Height: 1203, Time: at(0).Add(26*time.Hour - 20*time.Second), Source: "subscription"},
		Nodes: []admin.Node{
			{Kind: "grpc", Address: "tcp://one:9090", Lag: number(int64(7)), Problem: "connection refused"},
			{Kind: "grpc", Address: "tcp://two:9090", InUse: true, Usable: true, Lag: number(int64(0))},
			{Kind: "tx rpc", Address: "http://one:26657", InUse: true},
		},
		Stages: []admin.Stage{
			{Name: "blocks"}, {Name: "store", Problem: "disk is full"}, {Name: "sessions", Goroutines: number(4)},
		},
		Queue:   &session.QueueStatus{Length: 3, Capacity: 100, InWork: 2, Workers: 64, Paused: []string{"fees are high"}},
		Provers: &session.ProverStatus{Provers: 2, Busy: 1},
		Sessions: &session.Overview{
			States: map[session.State]int{session.StateOpen: 2, session.StateClaiming: 1, session.StateSettled: 40},
			Unfinished: []session.Ending{
				{EndHeight: 1200, States: map[session.State]int{session.StateClaiming: 1},
					Claim: &session.Window{Open: 1202, Close: 1205, Left: 2}, Proof: &session.Window{Open: 1206, Close: 1210, Left: 5}},
				{EndHeight: 1220, States: map[session.State]int{session.StateOpen: 2}},
			},
		},
		Funds: []session.Funds{
			{Supplier: aliceAddress, Height: 1200, BalanceUpokt: 990, StakeUpokt: 60_000, PenaltiesCovered: number(int64(1)), FeeUpokt: 10},
			{Supplier: bobAddress, Problem: "no answer"},
		},
	}
	s.Alerts = alertsOf(s)
	return s
}

func TestStatus_ShowsWhatTheRelayMinerTells(t *testing.T) {
	h := newHome(t)
	stop := h.serve(admin.WithStatus(func(context.Context) (*admin.Status, error) { return exampleStatus(), nil }))
	defer stop()
	for file, args := range map[string][]string{"status.txt": nil, "status.json": {"--json"}} {
		status, stdout, stderr := runCommand(append([]string{"status", "--home", h.dir}, args...)...)
		if status != 0 || stderr != "" {
			t.Errorf("%v: status %d, %s", args, status, stderr)
		}
		golden(t, file, stdout)
	}
}

func TestStatus_OfARelayMinerThatHasNothingToTellYet(t *testing.T) {
	var out bytes.Buffer
	s := &admin.Status{Sessions: &session.Overview{}}
	if s.Alerts = alertsOf(s); !slices.Equal(s.Alerts, []string{"no block was seen yet"}) {
		t.Errorf("alerts %q", s.Alerts)
	}
	if err := printStatus(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"queue      -", "provers    -", "block      -", "sessions   -"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, out.String())
		}
	}
}

func TestStatus_NeedsARelayMinerThatRuns(t *testing.T) {
	h := newHome(t)
	for _, command := range []string{"status", "pause", "resume", "flush"} {
		status, stdout, stderr := runCommand(command, "--home", h.dir)
		if status != 1 || stdout != "" || !strings.Contains(stderr, "no relay miner answers at "+h.dir) {
			t.Errorf("%s: status %d, stdout %q, stderr %q", command, status, stdout, stderr)
		}
	}
}

// quiet is the status of a relay miner that needs no attention.
func quiet() *admin.Status {
	return &admin.Status{
		Now: at(0), Chain: admin.Chain{Height: 9, Time: at(0)},
		Nodes:    []admin.Node{{Kind: "grpc"}, {Kind: "grpc", Usable: true}},
		Sessions: &session.Overview{},
		Queue:    &session.QueueStatus{},
		Funds:    []session.Funds{{Height: 9, BalanceUpokt: 1000, FeeUpokt: 10, PenaltiesCovered: number(int64(3))}, {}},
	}
}

func TestAlerts_TellWhatNeedsAttentionAndNothingElse(t *testing.T) {
	closing := &session.Window{Open: 7, Close: 10, Left: 2}
	for name, c := range map[string]struct {
		change func(*admin.Status)
		want   string // part of the only alert, empty for none
	}{
		"all is well":     {func(*admin.Status) {}, ""},
		"old block":       {func(s *admin.Status) { s.Now = s.Now.Add(6 * time.Minute) }, "the newest block, 9, is 6m0s old"},
		"no node":         {func(s *admin.Status) { s.Nodes[1].Usable = false }, "no usable node for grpc"},
		"store":           {func(s *admin.Status) { s.Stages = []admin.Stage{{Name: "store", Problem: "full"}} }, "store: full"},
		"pause":           {func(s *admin.Status) { s.Queue.Paused = []string{"a", "b"} }, "claims are held: a; b"},
		"few penalties":   {func(s *admin.Status) { s.Funds[0].PenaltiesCovered = number(int64(2)) }, "covers 2 more missing proofs"},
		"low balance":     {func(s *admin.Status) { s.Funds[0].BalanceUpokt = 999 }, "pays for 99 messages of 10upokt"},
		"no fees":         {func(s *admin.Status) { s.Funds[0].FeeUpokt, s.Funds[0].BalanceUpokt = 0, 0 }, ""},
		"penalty of zero": {func(s *admin.Status) { s.Funds[0].PenaltiesCovered = nil }, ""},
		"claim window closes": {func(s *admin.Status) {
			s.Sessions.Unfinished = []session.Ending{{EndHeight: 5, Claim: closing, States: map[session.State]int{session.StateSealed: 2}}}
		}, "2 sessions that ended at 5: claim to be included, and the window closes at 10 (2 left)"},
		"claimed in a window that closes": {func(s *admin.Status) {
			s.Sessions.Unfinished = []session.Ending{{EndHeight: 5, Claim: closing, States: map[session.State]int{session.StateClaimed: 2}}}
		}, ""},
		"proof window closes": {func(s *admin.Status) {
			s.Sessions.Unfinished = []session.Ending{{EndHeight: 5, Proof: closing, States: map[session.State]int{session.StateProving: 1}}}
		}, "1 session that ended at 5: proof"},
	} {
		t.Run(name, func(t *testing.T) {
			s := quiet()
			c.change(s)
			got := alertsOf(s)
			if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStatus_NodesLagBehindTheHighestHeightKnown(t *testing.T) {
	nodes := nodesOf([]chain.ServerStatus{
		{Kind: "grpc", Endpoint: "a", Height: 90, Err: errors.New("late")}, {Endpoint: "b", Height: 101, InUse: true, Usable: true}, {Endpoint: "c"},
	}, 100)
	if *nodes[0].Lag != 10 || nodes[0].Problem != "late" || *nodes[1].Lag != 0 || !nodes[1].InUse || nodes[2].Lag != nil {
		t.Errorf("got %+v", nodes)
	}
}

func TestFundsCollector_TellsOnlyWhatIsKnown(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&fundsCollector{funds: func() []session.Funds {
		return []session.Funds{
			{Supplier: "a", Height: 5, BalanceUpokt: 70, PenaltiesCovered: number(int64(4))}, {Supplier: "b"}, {Supplier: "c", Height: 5},
		}
	}})
	want := `
# HELP relayminer_balance_upokt What the operator account of a supplier can spend.
# TYPE relayminer_balance_upokt gauge
relayminer_balance_upokt{supplier="a"} 70
relayminer_balance_upokt{supplier="c"} 0
# HELP relayminer_penalties_covered Missing proofs that the stake of a supplier covers before it is unbonded.
# TYPE relayminer_penalties_covered gauge
relayminer_penalties_covered{supplier="a"} 4
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// steered notes what it is told to do.
type steered struct{ told []string }

func (c *steered) Pause(reason string) error {
	c.told = append(c.told, "pause "+reason)
	return nil
}

func (c *steered) Resume() error {
	c.told = append(c.told, "resume")
	return nil
}

func (c *steered) Flush(context.Context) error {
	c.told = append(c.told, "flush")
	return nil
}

func TestControl_CommandsReachTheRelayMiner(t *testing.T) {
	h := newHome(t)
	controller := &steered{}
	stop := h.serve(admin.WithController(controller))
	defer stop()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"pause"}, "paused: relayminer resume lets claims go on\n"},
		{[]string{"pause", "--reason", "fees"}, "paused: relayminer resume lets claims go on\n"},
		{[]string{"resume"}, "resumed\n"},
		{[]string{"flush"}, "flushed\n"},
	} {
		status, stdout, stderr := runCommand(append(c.args, "--home", h.dir)...)
		if status != 0 || stderr != "" || stdout != c.want {
			t.Errorf("%v: status %d, stdout %q, stderr %q", c.args, status, stdout, stderr)
		}
	}
	if want := []string{"pause by the operator", "pause fees", "resume", "flush"}; !slices.Equal(controller.told, want) {
		t.Errorf("it was told %q, want %q", controller.told, want)
	}
}

func TestControl_OfARelayMinerThatHasNoQueue(t *testing.T) {
	h := newHome(t)
	stop := h.serve()
	defer stop()
	for _, command := range []string{"pause", "resume", "flush", "status"} {
		status, stdout, stderr := runCommand(command, "--home", h.dir)
		if status != 1 || stdout != "" || !strings.Contains(stderr, "not supported by this relay miner") {
			t.Errorf("%s: status %d, stdout %q, stderr %q", command, status, stdout, stderr)
		}
	}
}
