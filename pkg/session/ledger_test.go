package session

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

func TestLedger_TellsWhatBecameOfEverySessionsRelays(t *testing.T) {
	st, _ := openKept(t, KeeperOptions{})
	settled := over(1, StateSettled, 20)
	settled.Requirement = RequirementThreshold
	settled.LateRelays, settled.EstimatedUpokt, settled.SettledUpokt, settled.PaidUpokt = 3, 50, "42upokt", "30upokt"
	settled.ClaimAttempts = []relayer.TxAttempt{{FeeUpokt: 9, Messages: 3, Included: 8}}
	expired := over(2, StateExpired, 20)
	expired.Timeline[1].Reason, expired.SlashedUpokt = "PROOF_MISSING", "320upokt"
	missed := over(3, StateMissed, 20)
	open := over(4, StateOpen, 5)
	open.Relays = 0
	for _, record := range []*Record{settled, expired, missed, open} {
		write(t, st, record, 4, 10, rand.NewChaCha8([32]byte{}))
	}
	ledger, err := NewInspector(st).Ledger(t.Context(), Filter{})
	if err != nil || len(ledger.Sessions) != 4 || len(ledger.Problems) != 0 {
		t.Fatalf("%+v, error %v", ledger, err)
	}
	for n, want := range []struct {
		verdict Verdict
		sums    LedgerSums
	}{
		{VerdictValid, LedgerSums{Served: 2, Late: 3, Claimed: 2, Proven: 2, Settled: 2,
			EstimatedUpokt: 50, SettledUpokt: 42, PaidUpokt: 30, FeesUpokt: 3, Txs: 1}},
		{VerdictMissing, LedgerSums{Served: 2, Claimed: 2, SlashedUpokt: 320}},
		{"", LedgerSums{Served: 2}},
		{"", LedgerSums{Served: 4}}, // counted
	} {
		if got := ledger.Sessions[n]; got.Verdict != want.verdict || got.LedgerSums != want.sums {
			t.Errorf("%d: got %+v, want %+v", n, got, want)
		}
	}
	ledger, err = NewInspector(st).Ledger(t.Context(), Filter{States: []State{StateMissed, StateExpired}, Supplier: "pokt1"})
	if err != nil || len(ledger.Sessions) != 2 {
		t.Errorf("filtered: %+v, error %v", ledger, err)
	}
	if ledger, err = NewInspector(st).Ledger(t.Context(), Filter{Supplier: "x"}); err != nil || len(ledger.Sessions) != 0 {
		t.Errorf("of another supplier: %+v, error %v", ledger, err)
	}
}

// Every field of the sums is added up, those to come as well.
func TestLedgerSums_AddAddsEveryField(t *testing.T) {
	var one, sum LedgerSums
	value := reflect.ValueOf(&one).Elem()
	for n := range value.NumField() {
		if field := value.Field(n); field.CanUint() {
			field.SetUint(uint64(n + 1))
		} else {
			field.SetInt(int64(n + 1))
		}
	}
	sum.Add(one)
	if sum != one {
		t.Errorf("got %+v, want %+v", sum, one)
	}
}

func TestLedger_SaysWhichRecordsCannotBeRead(t *testing.T) {
	st, _ := openKept(t, KeeperOptions{})
	if err := st.PutRecord(store.SessionKey{Supplier: "s", SessionEnd: 4, SessionID: "x"}, []byte("{")); err != nil {
		t.Fatal(err)
	}
	ledger, err := NewInspector(st).Ledger(t.Context(), Filter{})
	if err != nil || len(ledger.Problems) != 1 || len(ledger.Sessions) != 0 {
		t.Errorf("%+v, error %v", ledger, err)
	}
	if bz, err := json.Marshal(ledger); err != nil || string(bz[:14]) != `{"sessions":[]` {
		t.Errorf("%s, error %v", bz, err)
	}
}

func TestRefusals_WhatStrangersNameIsCountedTogether(t *testing.T) {
	r := NewRefusals([]string{"pokt1ours"}, []string{"eth"})
	r.Add("pokt1ours", "eth", relayer.ErrSessionSealed.Wrapf("session x"))
	r.Add("pokt1ours", "eth", relayer.ErrSessionSealed.Wrapf("session y"))
	r.Add("pokt1ours", "nothing", relayer.ErrServiceNotConfigured)
	for n := range 100 {
		r.Add(string(rune('a'+n)), string(rune('b'+n)), errors.New("whatever"))
	}
	want := []Refusal{
		{"", "", "relayer_proxy", 5, "internal error", 100},
		{"pokt1ours", "", "relayer_proxy", 2, "service is not configured", 1},
		{"pokt1ours", "eth", "relayer_session", 1, "session tree is closed", 2},
	}
	if got := r.Counts(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
