package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// golden compares text with a file in testdata, or writes the file if the
// environment has UPDATE_GOLDEN.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

const (
	aliceAddress = "pokt1alice0yv2p5d8h4tqk7x9m3n6c0r2s5w8z1f4jq"
	bobAddress   = "pokt1bob00t6p9k2x4d7h0m3n5c8r1s4w7z0f3j6v9lq"
	appAddress   = "pokt1app00q3w5e7r9t1y2u4p6a8s0d2f4g6h8j1k3lz"

	settledID = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809"
	missedID  = "2a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809"
	openID    = "3a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809"
)

// home is the home of a relay miner with a store in it.
type home struct {
	t   *testing.T
	dir string
}

// newHome makes a home with four sessions: a settled and a missed one of alice,
// and one that is open for alice and sealed for bob.
func newHome(t *testing.T) *home {
	t.Helper()
	dir, err := os.MkdirTemp("", "cli") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	h := &home{t: t, dir: dir}
	st := h.open()
	add(t, st, settledID, aliceAddress, 20, 3, settle)
	add(t, st, missedID, aliceAddress, 30, 1500, miss)
	add(t, st, openID, aliceAddress, 40, 2, nil)
	add(t, st, openID, bobAddress, 40, 1, func(*session.Record) {})
	h.close(st)
	return h
}

func (h *home) store() string { return filepath.Join(h.dir, "smt") }

func (h *home) open() *store.Store {
	h.t.Helper()
	st, err := store.Open(h.store(), store.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

func (h *home) close(st *store.Store) {
	h.t.Helper()
	if err := st.Close(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

// serve answers at the socket of the home, as a running relay miner does, until
// the function returned is called.
func (h *home) serve(opts ...admin.Option) (stop func()) {
	h.t.Helper()
	st := h.open()
	server, err := admin.Start(h.dir, h.store(), session.NewInspector(st), slog.New(slog.DiscardHandler), opts...)
	if err != nil {
		h.t.Fatal(err)
	}
	return func() {
		if err := server.Stop(context.Background()); err != nil {
			h.t.Error(err)
		}
		h.close(st)
	}
}

// run runs a sessions command on the home.
func (h *home) run(args ...string) (status int, stdout, stderr string) {
	h.t.Helper()
	return runCommand(append([]string{"sessions", "--home", h.dir}, args...)...)
}

// must runs a sessions command that must succeed and say nothing on stderr.
func (h *home) must(args ...string) string {
	h.t.Helper()
	status, stdout, stderr := h.run(args...)
	if status != 0 || stderr != "" {
		h.t.Fatalf("%v: status %d, %s", args, status, stderr)
	}
	return stdout
}

// fails runs a sessions command that must fail with an error of one line that has
// all of the parts.
func (h *home) fails(args []string, parts ...string) {
	h.t.Helper()
	status, stdout, stderr := h.run(args...)
	if status != 1 || !strings.HasPrefix(stderr, "error: ") || strings.Count(stderr, "\n") != 1 {
		h.t.Errorf("%v: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
	}
	for _, part := range parts {
		if !strings.Contains(stderr, part) {
			h.t.Errorf("%v: %q is not in the error: %s", args, part, stderr)
		}
	}
}

// runCommand runs a command line.
func runCommand(args ...string) (status int, stdout, stderr string) {
	var out, complaints bytes.Buffer
	status = Main(args, strings.NewReader(""), &out, &complaints)
	return status, out.String(), complaints.String()
}

// add writes a session with n relays. If there is a change it is sealed, and its
// record is changed.
func add(t *testing.T, st *store.Store, id, supplier string, end int64, n int, change func(*session.Record)) {
	t.Helper()
	tree, err := session.NewSessionTree(st, &sessiontypes.SessionHeader{
		ApplicationAddress: appAddress, ServiceId: "anvil", SessionId: id,
		SessionStartBlockHeight: end - 9, SessionEndBlockHeight: end,
	}, supplier, end-8)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		value := fmt.Appendf(nil, "relay %d of session %s", i, id)
		hash := sha256.Sum256(value)
		if err := tree.Update(hash[:], value, 100); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		if _, err := tree.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	changeRecord(t, st, store.SessionKey{Supplier: supplier, SessionEnd: end, SessionID: id}, func(r *session.Record) {
		for i := range r.Timeline {
			r.Timeline[i].Time = at(r.Timeline[i].Height)
		}
		if change != nil {
			change(r)
		}
	})
}

// changeRecord changes a record behind the back of its session tree.
func changeRecord(t *testing.T, st *store.Store, key store.SessionKey, change func(*session.Record)) {
	t.Helper()
	raw, err := st.Record(key)
	if err != nil {
		t.Fatal(err)
	}
	record, err := session.DecodeRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	change(record)
	if raw, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := st.PutRecord(key, raw); err != nil {
		t.Fatal(err)
	}
}

// at returns the time of a block.
func at(height int64) time.Time {
	return time.Date(2026, 3, 1, 12, 0, int(height), 0, time.UTC)
}

// move adds a transition to a record.
func move(r *session.Record, state session.State, height int64, reason string) {
	r.State = state
	r.Timeline = append(r.Timeline, session.Transition{State: state, Height: height, Time: at(height), Reason: reason})
}

// settle gives a record the story of a session that was paid.
func settle(r *session.Record) {
	move(r, session.StateClaiming, 22, "")
	move(r, session.StateClaimed, 24, "included")
	move(r, session.StateProving, 27, "")
	move(r, session.StateProven, 28, "judged valid")
	move(r, session.StateSettled, 31, "")
	r.EstimatedUpokt, r.SettledUpokt, r.PaidUpokt, r.LateRelays = 12600, "12000upokt", "8400upokt", 2
	r.ProofFeeUpokt = 1
	r.Requirement = session.RequirementThreshold
	r.ProofPath = strings.Repeat("ab", 32)
	r.ClaimAttempts = []relayer.TxAttempt{
		{Hash: strings.Repeat("A1", 32), FeeUpokt: 100, GasWanted: 101880, Messages: 1, SentHeight: 22, TimeoutHeight: 23},
		{Hash: strings.Repeat("A2", 32), FeeUpokt: 1500, GasWanted: 250000, Messages: 12, SentHeight: 23, TimeoutHeight: 26, Included: 24},
	}
	r.ProofAttempts = []relayer.TxAttempt{
		{Hash: strings.Repeat("B1", 32), FeeUpokt: 200, GasWanted: 275648, Messages: 1, SentHeight: 27, TimeoutHeight: 31, Included: 28},
	}
}

// miss gives a record the story of a session that was not claimed.
func miss(r *session.Record) {
	move(r, session.StateClaiming, 32, "")
	move(r, session.StateMissed, 38, "the claim window closed at height 36; claim failed: out of gas")
	r.ClaimAttempts = []relayer.TxAttempt{{
		Hash: strings.Repeat("C1", 32), FeeUpokt: 100, GasWanted: 1000, Messages: 1, SentHeight: 32, TimeoutHeight: 36,
		Included: 33, Codespace: "sdk", Code: 11, Error: "out of gas",
	}}
}
