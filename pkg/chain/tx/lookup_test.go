package tx

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// silence makes lookups hang as long as their caller has patience, and counts them.
func (r *rig) silence() (asked *int) {
	asked = new(int)
	r.onFind = func(ctx context.Context) error {
		*asked++
		<-ctx.Done()
		return ctx.Err()
	}
	return asked
}

func TestLookUp_SilentNodeDelaysNeitherOutcomesNorTransactions(t *testing.T) {
	r := newRig(t, Options{MaxMessages: 1, LookupBudget: time.Millisecond})
	const messages = 50
	outs, _ := r.give(messages, 50, true)
	sends := 0
	r.onBroadcast = func(*fakeTx) (bool, error) { sends++; return true, nil }
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	asked := r.silence()
	r.step()
	r.onFind = func(ctx context.Context) error {
		if *asked++; sends != 2*messages {
			t.Errorf("a lookup comes after %d of %d broadcasts", sends, 2*messages)
		}
		<-ctx.Done()
		return ctx.Err()
	}
	r.nextStep()
	if *asked != 1 {
		t.Errorf("%d lookups in a block were not answered, want one for all messages", *asked)
	}
	r.onInclude = nil
	r.onFind = func(ctx context.Context) error {
		*asked++
		for _, out := range outs {
			if len(out) != 1 {
				t.Error("a lookup comes before an outcome")
			}
		}
		<-ctx.Done()
		return ctx.Err()
	}
	r.nextStep()
	if *asked != 2 {
		t.Errorf("%d lookups in two blocks", *asked)
	}
	for _, out := range outs {
		r.want(out, relayer.InForce)
	}
	if len(r.broken) > 0 || len(r.sent()) != messages {
		t.Errorf("%d transactions, %v", len(r.sent()), r.broken)
	}
}

func TestLookUp_RestsLongerAfterEachFailureAndNotAfterSuccess(t *testing.T) {
	r := newRig(t, Options{LookupBudget: time.Millisecond})
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	r.give(3, 500, true)
	r.step()
	asked := r.silence()
	for range 64 {
		r.nextStep()
		r.step() // again in the same block
	}
	// After 1, 2, 4, 8 and then each 16 blocks.
	if *asked != 5+3 {
		t.Errorf("%d lookups in 64 blocks", *asked)
	}
	away := errors.New("away")
	r.onFind = func(context.Context) error { *asked++; return away }
	for *asked = 0; *asked == 0; {
		r.nextStep()
	}
	r.onFind = nil
	for range maxRest {
		r.nextStep()
	}
	if a := r.signer.attempts[0]; a.searched != r.height {
		t.Errorf("searched up to %d at %d", a.searched, r.height)
	}
}

func TestLookUp_FailureInABlockThatIsNotSeenGivesMessagesBackInTime(t *testing.T) {
	r := newRig(t, Options{Life: 3 * time.Second, LookupBudget: time.Millisecond}) // of blocks a second apart
	failures := 1
	r.onInclude = func(*fakeTx) (bool, uint32) {
		failures--
		return true, map[bool]uint32{true: 5}[failures >= 0]
	}
	outs, _ := r.give(2, 50, true)
	r.silence()
	for range 8 {
		r.step()
		r.next()
	}
	r.step()
	for _, out := range outs {
		r.want(out, relayer.InForce)
	}
	if len(r.broken) > 0 || len(r.sent()) != 2 {
		t.Errorf("%d transactions, %v", len(r.sent()), r.broken)
	}
}

func TestLookUp_RecordLearnsTheBlockAfterTheOutcome(t *testing.T) {
	r := newRig(t, Options{LookupBudget: time.Millisecond})
	outs, ledgers := r.give(2, 50, true)
	r.step()
	r.silence()
	r.nextStep()
	included := r.height
	for i, out := range outs {
		r.want(out, relayer.InForce)
		if a := ledgers[i].all(); len(a) != 1 || a[0].Included != 0 {
			t.Fatalf("recorded %+v", a)
		}
	}
	r.onFind = nil
	r.nextStep()
	for _, ledger := range ledgers {
		if a := ledger.all(); len(a) != 1 || a[0].Included != included || len(a[0].TxBytes) != 0 {
			t.Errorf("recorded %+v, want it included at %d", a, included)
		}
	}
	if len(r.signer.traces) != 0 {
		t.Errorf("%d transactions are still looked for", len(r.signer.traces))
	}
}

func TestLookUp_WhatNobodyWaitsForIsLookedForWithinBounds(t *testing.T) {
	r := newRig(t, Options{MaxMessages: 1, LookupBudget: time.Millisecond})
	outs, _ := r.give(maxTraces+10, 50, true)
	r.step()
	r.silence()
	r.nextStep()
	r.want(outs[0], relayer.InForce)
	if n := len(r.signer.traces); n != maxTraces {
		t.Errorf("%d transactions are looked for, want %d", n, maxTraces)
	}
	for range traceBlocks {
		r.nextStep()
	}
	if n := len(r.signer.traces); n != 0 {
		t.Errorf("%d transactions are still looked for", n)
	}
}

func TestLookUp_BlockThatHasATransactionTooLateCostsNothingAndBlamesNone(t *testing.T) {
	r := newRig(t, Options{Life: 2 * time.Second, GasPrices: "0.01upokt"})
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	outs, ledgers := r.give(1, 50, true)
	r.step()
	first := r.sent()[0]
	r.nextStep()
	r.nextStep()
	r.next()
	first.included, first.code = r.height, 42
	r.onInclude = nil
	r.step()
	r.nextStep()
	r.want(outs[0], relayer.InForce)
	if all := ledgers[0].all(); len(all) != 2 || all[0].Included == 0 || all[0].Code != 42 {
		t.Errorf("recorded %+v", all)
	}
	if fees := r.signer.counters.feesUpokt.Load(); fees != messageFee {
		t.Errorf("fees are %d", fees)
	}
}

func TestLookUp_TransactionThatABlockHasOutOfTurnMayComeAgain(t *testing.T) {
	r, _ := newOrdered(t, Options{})
	outs, ledgers := r.give(1, 50, true)
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	r.step()
	r.next()
	out := r.sent()[len(r.sent())-1]
	out.included, out.code, r.mempool = r.height, 32, nil
	r.step() // looks it up
	out.included, out.code = 0, 0
	r.onInclude = nil
	r.nextStep() // the same bytes again
	r.nextStep()
	r.want(outs[0], relayer.InForce)
	if n := len(ledgers[0].all()); n != 1 {
		t.Errorf("%d transactions were made", n)
	}
}
