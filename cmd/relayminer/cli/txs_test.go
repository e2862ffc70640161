package cli

import (
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// newTxsHome makes a home in which bob has two sessions that travel in one
// transaction, which can still be included.
func newTxsHome(t *testing.T) *home {
	t.Helper()
	h := newHome(t)
	underWay := relayer.TxAttempt{
		Hash: strings.Repeat("D1", 32), FeeUpokt: 300, GasWanted: 161000, Messages: 2,
		SentHeight: 37, TimeoutHeight: 1000, TxBytes: []byte("signed"),
	}
	claim := func(r *session.Record) {
		move(r, session.StateClaiming, 37, "")
		r.ClaimAttempts = []relayer.TxAttempt{{
			Hash: strings.Repeat("D0", 32), FeeUpokt: 10, GasWanted: 161000, Messages: 2, SentHeight: 36, TimeoutHeight: 1000,
			Codespace: "sdk", Code: 13, Error: "insufficient fee",
		}, underWay}
	}
	st := h.open()
	defer h.close(st)
	changeRecord(t, st, store.SessionKey{Supplier: bobAddress, SessionEnd: 40, SessionID: openID}, claim)
	add(t, st, "4"+openID[1:], bobAddress, 40, 1, claim)
	return h
}

// txs runs the txs command on the home.
func (h *home) txs(args ...string) (status int, stdout, stderr string) {
	return runCommand(append([]string{"txs", "--home", h.dir}, args...)...)
}

func TestTxs_PrintTheSameAtRestAndRunning(t *testing.T) {
	h := newTxsHome(t)
	h.printsTheSame(h.txs, map[string][]string{
		"txs.txt":          nil,
		"txs_open.txt":     {"--open", "--full"},
		"txs.jsonl":        {"--json"},
		"txs_supplier.txt": {"--supplier", "pokt1alice"},
		"txs_session.txt":  {"--session", settledID[:6]},
	})
}

// printsTheSame runs a command with the arguments beside each golden file, which
// must print what is in the file, of a relay miner at rest and of one that runs.
func (h *home) printsTheSame(run func(args ...string) (status int, stdout, stderr string), files map[string][]string) {
	h.t.Helper()
	check := func() {
		for file, args := range files {
			status, stdout, stderr := run(args...)
			if status != 0 || stderr != "" {
				h.t.Errorf("%v: status %d, %s", args, status, stderr)
			}
			golden(h.t, file, stdout)
		}
	}
	check()
	stop := h.serve()
	defer stop()
	check()
}

func TestTxs_OfNothing(t *testing.T) {
	h := newHome(t)
	for _, args := range [][]string{{"--open"}, {"--supplier", "pokt1bob"}, {"--session", "ff"}} {
		status, stdout, stderr := h.txs(args...)
		if status != 0 || stdout != "" || !strings.Contains(stderr, "no such transactions in the relay store "+h.store()) {
			t.Errorf("%v: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
		if status, stdout, stderr := h.txs(append(args, "--json")...); status != 0 || stdout+stderr != "" {
			t.Errorf("%v --json: status %d, %q, %q", args, status, stdout, stderr)
		}
	}
}

func TestTxs_SaysWhichRecordsCannotBeRead(t *testing.T) {
	h := newTxsHome(t)
	st := h.open()
	if err := st.PutRecord(store.SessionKey{Supplier: bobAddress, SessionEnd: 50, SessionID: "5a"}, []byte("{")); err != nil {
		t.Fatal(err)
	}
	h.close(st)
	status, stdout, stderr := h.txs("--open")
	if status != 0 || strings.Count(stdout, "\n") != 2 || !strings.Contains(stderr, "5a of supplier "+bobAddress) {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}
