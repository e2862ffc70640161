package cli

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session"
)

// ledger runs the ledger command on the home.
func (h *home) ledger(args ...string) (status int, stdout, stderr string) {
	return runCommand(append([]string{"ledger", "--home", h.dir}, args...)...)
}

func TestLedger_PrintsTheSameAtRestAndRunning(t *testing.T) {
	h := newHome(t)
	h.printsTheSame(h.ledger, map[string][]string{
		"ledger.txt":      nil,
		"ledger_some.txt": {"--state", "settled", "--supplier", "pokt1alice"},
		"ledger.csv":      {"--csv"},
		"ledger.jsonl":    {"--json"},
	})
}

func TestLedger_CSVHasAValueInEveryColumnOfEverySession(t *testing.T) {
	_, stdout, _ := newHome(t).ledger("--csv")
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll() // checks that all have as many
	if err != nil || len(rows) != 5 {
		t.Errorf("%d rows, error %v", len(rows), err)
	}
}

func TestLedger_OfNothing(t *testing.T) {
	h := newHome(t)
	status, stdout, stderr := h.ledger("--supplier", "pokt1nobody")
	if status != 0 || stdout != "" || !strings.Contains(stderr, "no such sessions in the relay store "+h.store()) {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	for _, args := range [][]string{{"--state", "happy"}, {"--csv", "--json"}} {
		if status, stdout, stderr := h.ledger(args...); status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
}

func TestLedger_RunningRelayMinerTellsWhatItHasRefused(t *testing.T) {
	h := newHome(t)
	i, cfg := h.instance()
	i.parts.refusals = session.NewRefusals([]string{aliceAddress}, []string{"anvil"})
	i.parts.refusals.Add(aliceAddress, "anvil", relayer.ErrSessionSealed)
	i.parts.refusals.Add("pokt1stranger", "anvil", relayer.ErrSupplierNotInSession)
	i.parts.refusals.Add("pokt1stranger", "anvil", relayer.ErrSupplierNotInSession)
	if err := i.openAdmin(Options{Home: h.dir, Log: i.log}, cfg); err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := h.ledger("--store", h.store())
	for _, want := range []string{
		"refused since ", aliceAddress + "  anvil         1  relayer_session 1      session tree is closed",
		"anvil         2  relay_authenticator 2  supplier is not in the session",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in %s", want, stdout)
		}
	}
	if _, stdout, _ = h.ledger("--store", h.store(), "--json"); strings.Count(stdout, "\n") != 6 {
		t.Errorf("got %s", stdout)
	}
	want := `
# HELP relayminer_relays_refused_total Relays refused, by service and reason.
# TYPE relayminer_relays_refused_total counter
relayminer_relays_refused_total{code="1",codespace="relayer_session",service="anvil"} 1
relayminer_relays_refused_total{code="2",codespace="relay_authenticator",service="anvil"} 2
`
	registry := prometheus.NewRegistry()
	registry.MustRegister(&refusalsCollector{counts: i.parts.refusals.Counts})
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
