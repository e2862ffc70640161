package session

import (
	"context"
	"reflect"
	"testing"
	"time"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// richer is a chain that tells more of the test's session in the block of a
// height than fakeChain does.
type richer struct {
	*fakeChain
	at   int64
	more []relayer.ClaimEvent
}

func (c *richer) Events(ctx context.Context, height int64) (*relayer.BlockEvents, error) {
	block, err := c.fakeChain.Events(ctx, height)
	if err != nil || height != c.at {
		return block, err
	}
	events := append([]relayer.ClaimEvent(nil), block.Events...)
	for _, e := range c.more {
		e.Supplier, e.Application, e.ServiceID, e.SessionEnd = testSupplier, "pokt1app", "anvil", 4
		events = append(events, e)
	}
	return &relayer.BlockEvents{Height: height, Events: events}, nil
}

func TestSession_RecordTellsWhatASlashingTook(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	chain.drop = func(s *relayer.Submission) bool { return s.Mandatory }
	w := chain.windows(4)
	b.manager.history = &richer{chain, w.ProofClose, []relayer.ClaimEvent{{Kind: relayer.SupplierSlashed, SlashedUpokt: "320upokt"}}}
	b.sendAll(0, 3)
	b.toOutcome(w, StateExpired)
	record := b.stored()
	if record.SlashedUpokt != "320upokt" || record.Verdict() != VerdictMissing || !record.Claimed() {
		t.Errorf("slashed %q, verdict %q, claimed %t", record.SlashedUpokt, record.Verdict(), record.Claimed())
	}
}

func TestSession_RecordTellsWhyAProofWasInvalid(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	w := chain.windows(4)
	judged := &richer{chain, w.ProofOpen + 1, []relayer.ClaimEvent{{Kind: relayer.ProofChecked, Reason: "bad signature"}}}
	b.manager.history = &invalidated{judged, w.ProofClose}
	chain.drop = func(s *relayer.Submission) bool { return s.Mandatory }
	b.sendAll(0, 3)
	b.toOutcome(w, StateExpired)
	if record := b.stored(); record.ProofFailure != "bad signature" || record.Verdict() != VerdictInvalid {
		t.Errorf("failure %q, verdict %q", record.ProofFailure, record.Verdict())
	}
}

// invalidated is a chain that expires claims for invalid proofs.
type invalidated struct {
	*richer
	close int64
}

func (c *invalidated) Events(ctx context.Context, height int64) (*relayer.BlockEvents, error) {
	block, err := c.richer.Events(ctx, height)
	if err == nil && height == c.close {
		changed := *block
		changed.Events = append([]relayer.ClaimEvent(nil), block.Events...)
		for n := range changed.Events {
			changed.Events[n].Reason = "PROOF_INVALID"
		}
		block = &changed
	}
	return block, err
}

func TestSession_RecordTellsWhatWasPaidAndWhatItCost(t *testing.T) {
	chain := newFakeChain(t)
	fee := cosmostypes.NewInt64Coin("upokt", 7)
	chain.proof.ProofSubmissionFee = &fee
	b := newBench(t, chain)
	w := chain.windows(4)
	b.manager.history = &richer{chain, w.ProofClose, []relayer.ClaimEvent{
		{Kind: relayer.ClaimSettled, SettledUpokt: "42upokt", PaidUpokt: "30upokt"}}}
	b.manager.txs = &paying{chain}
	b.sendAll(0, 3)
	b.toOutcome(w, StateSettled)
	record := b.stored()
	if record.PaidUpokt != "30upokt" || record.Verdict() != VerdictValid {
		t.Errorf("paid %q, verdict %q", record.PaidUpokt, record.Verdict())
	}
	if got, want := record.Fees(), (Fees{Claim: 33, Proof: 40, Txs: 2}); got != want {
		t.Errorf("fees %+v, want %+v", got, want)
	}
}

// paying notes for each message that it travelled with two others in a
// transaction with a fee of 100 upokt.
type paying struct{ *fakeChain }

func (c *paying) Submit(ctx context.Context, s *relayer.Submission) (<-chan relayer.Outcome, error) {
	out, err := c.fakeChain.Submit(ctx, s)
	if err != nil {
		return nil, err
	}
	return out, s.Record(relayer.TxAttempt{Hash: "AA", FeeUpokt: 100, Messages: 3, Included: 9})
}

// toOutcome takes the test's session from its seal to an outcome.
func (b *bench) toOutcome(w windows, outcome State) {
	b.t.Helper()
	for _, step := range []struct {
		height int64
		state  State
	}{{w.ClaimOpen, StateClaiming}, {w.ClaimOpen + 1, StateClaimed}, {w.ProofOpen, StateProving}} {
		b.chain.advance(step.height)
		b.until(step.state)
		b.rest()
	}
	b.chain.advance(w.ProofClose)
	b.chain.advance(w.ProofClose + 1) // where what was lost has its end
	b.until(outcome)
}

// stored returns the record of the test's session as it is on disk.
func (b *bench) stored() *Record {
	b.t.Helper()
	records, err := Records(b.store)
	if err != nil || len(records) != 1 {
		b.t.Fatalf("%d records, error %v", len(records), err)
	}
	return records[0]
}

func TestRecord_StepsLastUntilTheNext(t *testing.T) {
	record := newRecord(header(), testSupplier, 3, now())
	record, err := record.moved(StateSealed, 6, now().Add(1500*time.Millisecond), "")
	if err != nil {
		t.Fatal(err)
	}
	blocks, milliseconds := int64(3), int64(1500)
	want := []Step{
		{Transition: record.Timeline[0], Blocks: &blocks, Milliseconds: &milliseconds},
		{Transition: record.Timeline[1]},
	}
	if got := record.Steps(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestRecord_OnlyTransactionsInBlocksCostFees(t *testing.T) {
	record := newRecord(header(), testSupplier, 3, now())
	record.ClaimAttempts = []relayer.TxAttempt{
		{FeeUpokt: 1000, Messages: 1},                       // was never included
		{FeeUpokt: 101, Messages: 2, Included: 8, Code: 11}, // failed, and cost its fee
		{FeeUpokt: 10, Included: 9},                         // the number of messages was not noted
	}
	if got, want := record.Fees(), (Fees{Claim: 61, Txs: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestUpokt_IsReadFromWhatTheChainWrites(t *testing.T) {
	for text, want := range map[string]int64{"0upokt": 0, "12600upokt": 12600} {
		if got, ok := Upokt(text); !ok || got != want {
			t.Errorf("%s: %d, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "5", "5other", "99999999999999999999upokt"} {
		if got, ok := Upokt(text); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
}
