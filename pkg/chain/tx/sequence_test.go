package tx

import (
	"bytes"
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// newOrdered returns a rig on a chain that refuses unordered transactions, and what
// its signer logs.
func newOrdered(t *testing.T, opts Options) (*rig, *bytes.Buffer) {
	r, logged := newRig(t, opts), &bytes.Buffer{}
	r.fakeChain.ordered = true
	r.signer.Logger = slog.New(slog.NewTextHandler(logged, nil))
	return r, logged
}

// attemptsOf returns all attempts that were recorded, by sequence.
func attemptsOf(ledgers []*fakeLedger) []relayer.TxAttempt {
	seen := make(map[string]bool)
	var all []relayer.TxAttempt
	for _, ledger := range ledgers {
		for _, a := range ledger.all() {
			if !seen[a.Hash] {
				all = append(all, a)
			}
			seen[a.Hash] = true
		}
	}
	slices.SortStableFunc(all, func(a, b relayer.TxAttempt) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return all
}

func (r *rig) wantAll(outs []<-chan relayer.Outcome, state relayer.OutcomeState) {
	r.Helper()
	for _, out := range outs {
		r.want(out, state)
	}
	if len(r.broken) > 0 {
		r.Error(r.broken)
	}
}

func TestSequence_ChainThatRefusesUnorderedTransactionsIsLearnedOnceAndInTheSameBlock(t *testing.T) {
	for _, test := range []struct {
		name      string
		simulator func(*rig)
		explained int
		refused   uint64
	}{
		{"from the simulation", func(*rig) {}, 1, 0},
		{"from the broadcast", func(r *rig) { r.laxSimulation = true }, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, logged := newOrdered(t, Options{})
			test.simulator(r)
			outs, ledgers := r.give(3, 50, true)
			r.step()
			r.nextStep()
			r.wantAll(outs, relayer.InForce)
			for i := range 3 {
				sub, ledger := r.submission(10+i, 50)
				out := r.signer.give(t, sub)
				ledgers = append(ledgers, ledger)
				r.step()
				r.nextStep()
				r.want(out, relayer.InForce)
			}
			if n := strings.Count(logged.String(), "chain refuses unordered transactions"); n != 1 {
				t.Errorf("logged %d times:\n%s", n, logged)
			}
			if r.explained != test.explained || r.signer.counters.refused.Load() != test.refused {
				t.Errorf("the node was asked for the reason %d times, %d refusals", r.explained, r.signer.counters.refused.Load())
			}
			for _, a := range attemptsOf(ledgers) {
				if a.Code == 0 && (!a.Ordered || a.TimeoutUnixNs != 0 || a.TimeoutHeight > a.SentHeight+orderedBlocks) {
					t.Errorf("recorded %+v", a)
				}
			}
		})
	}
}

func TestSequence_RefusedMessageIsNotTakenForARefusalOfUnorderedTransactions(t *testing.T) {
	r := newRig(t, Options{})
	r.refuseSim = func([]string) error { return &chain.Refusal{Codespace: chain.SimulationCodespace, Code: 2} }
	r.give(8, 50, true)
	r.step()
	r.step()
	if r.signer.seq.ordered || r.explained != 1 {
		t.Errorf("ordered is %v, the node was asked %d times", r.signer.seq.ordered, r.explained)
	}
}

func TestSequence_BatchesOfABlockHaveConsecutiveNumbersInOrder(t *testing.T) {
	r, _ := newOrdered(t, Options{MaxMessages: 2})
	outs, ledgers := r.give(6, 50, true)
	if !r.step() {
		t.Error("batches are left for later")
	}
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	all := attemptsOf(ledgers)
	if len(all) != 3 || all[0].Sequence != 0 || all[1].Sequence != 1 || all[2].Sequence != 2 {
		t.Errorf("recorded %+v", all)
	}
}

func TestSequence_TransactionWaitsForOneThatTheNodeMayNotHave(t *testing.T) {
	r, _ := newOrdered(t, Options{MaxMessages: 1})
	lost := 1
	r.onBroadcast = func(tx *fakeTx) (bool, error) {
		if lost--; lost == 0 && tx.ordered {
			return false, errAway
		}
		return true, nil
	}
	outs, ledgers := r.give(3, 50, true)
	if r.step() {
		t.Error("the signer would wait for the next block")
	}
	if n := len(attemptsOf(ledgers)); n != 1 {
		t.Errorf("%d transactions were made", n)
	}
	r.step() // the first again, then the others
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	if n := len(attemptsOf(ledgers)); n != 3 {
		t.Errorf("%d transactions were made", n)
	}
}

func TestSequence_NumberIsGivenAgainOnlyWhenItsTransactionCannotBeIncluded(t *testing.T) {
	r, _ := newOrdered(t, Options{})
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	outs, ledgers := r.give(1, 50, true)
	r.step()
	for r.height < 1+orderedBlocks {
		r.nextStep()
		if n := len(attemptsOf(ledgers)); n != 1 && r.height < 1+orderedBlocks {
			t.Fatalf("%d transactions at %d", n, r.height)
		}
	}
	r.onInclude = nil
	r.nextStep() // the node forgets the first with the block after its last
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	all := attemptsOf(ledgers)
	if len(all) != 2 || all[0].Sequence != 0 || all[1].Sequence != 0 || all[1].SentHeight < all[0].TimeoutHeight {
		t.Errorf("recorded %+v", all)
	}
}

func TestSequence_NoTransactionOutlivesOneBeforeIt(t *testing.T) {
	r, _ := newOrdered(t, Options{MaxMessages: 1})
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	var outs []<-chan relayer.Outcome
	var ledgers []*fakeLedger
	for i, deadline := range []int64{3, 50} {
		sub, ledger := r.submission(i, deadline)
		outs, ledgers = append(outs, r.signer.give(t, sub)), append(ledgers, ledger)
	}
	r.step()
	if all := attemptsOf(ledgers); len(all) != 2 || all[1].TimeoutHeight > 3 {
		t.Fatalf("recorded %+v", all)
	}
	for r.height < 3 {
		r.nextStep()
	}
	r.want(outs[0], relayer.NotIncluded)
	r.onInclude = nil
	r.nextStep()
	r.nextStep()
	r.want(outs[1], relayer.InForce)
	if len(r.broken) > 0 {
		t.Error(r.broken)
	}
}

func TestSequence_NumberThatAnotherProcessHasUsedIsAskedForAgain(t *testing.T) {
	r, _ := newOrdered(t, Options{})
	outs, _ := r.give(1, 50, true)
	r.step()
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	r.sequences[r.height] += 3 // after the signer has asked
	r.laxSimulation = true     // of a node that is behind
	sub, ledger := r.submission(9, 50)
	out := r.signer.give(t, sub)
	r.onAsk = func(what string) error {
		if what == "in force" {
			r.lag = 0
		}
		return nil
	}
	r.lag = 1
	r.step()
	r.nextStep()
	r.want(out, relayer.InForce)
	all := ledger.all()
	if len(all) != 2 || all[0].Code != 32 || all[1].Sequence != 4 || all[1].SentHeight != all[0].SentHeight {
		t.Errorf("recorded %+v", all)
	}
}

func TestSequence_UsedNumberGivesMessagesBackThoughLookupsAreSilent(t *testing.T) {
	r, _ := newOrdered(t, Options{LookupBudget: time.Millisecond})
	failures := 1
	r.onInclude = func(*fakeTx) (bool, uint32) {
		if failures--; failures >= 0 {
			return true, 5
		}
		return true, 0
	}
	outs, ledgers := r.give(4, 50, true)
	r.step()
	r.silence()
	r.nextStep() // finds that the number was used
	r.step()
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	if all := attemptsOf(ledgers); len(all) != 3 || all[1].Messages != 2 || all[2].Messages != 2 {
		t.Errorf("recorded %+v, want the others in halves", all)
	}
}

func TestSequence_OtherTransactionThatComesFirstHoldsMessagesAndBlamesNone(t *testing.T) {
	r, _ := newOrdered(t, Options{})
	outs, _ := r.give(1, 50, true)
	r.step()
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	foreign := &fakeTx{hash: "foreign", ordered: true, sequence: r.sequence(), timeoutHeight: 50, delivered: true}
	r.known[foreign.hash], r.mempool = foreign, []string{foreign.hash}
	var more []<-chan relayer.Outcome
	for i := range 8 {
		sub, _ := r.submission(10+i, 50)
		more = append(more, r.signer.give(t, sub))
	}
	before := r.simulated
	r.step()
	r.step()
	if n := r.simulated - before; n != 1 {
		t.Errorf("%d simulations, want one: no message is to blame", n)
	}
	r.nextStep()
	r.nextStep()
	r.wantAll(more, relayer.InForce)
}

func TestSequence_RestartGoesOnWithTheSameTransactions(t *testing.T) {
	r, _ := newOrdered(t, Options{MaxMessages: 1})
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	var subs []*relayer.Submission
	var ledgers []*fakeLedger
	for i := range 3 {
		sub, ledger := r.submission(i, 50)
		r.signer.give(t, sub)
		subs, ledgers = append(subs, sub), append(ledgers, ledger)
	}
	r.step()
	r.mempool, r.onInclude = nil, nil
	r.signer = newTestSigner(t, r.fakeChain, Options{MaxMessages: 1})
	var outs []<-chan relayer.Outcome
	for i := range subs {
		subs[i].Prior = ledgers[i].all()
		outs = append(outs, r.signer.give(t, subs[i]))
	}
	r.step()
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	if n := len(attemptsOf(ledgers)); n != 3 {
		t.Errorf("%d transactions were made", n)
	}
}

func TestStats_TellWhichSignersSendUnorderedTransactions(t *testing.T) {
	for ordered, want := range map[bool]int{false: 1, true: 0} {
		c := newFakeChain()
		c.ordered = ordered
		s := newTestSubmitter(t, c, Options{Linger: time.Millisecond})
		out, _ := sendOne(t, c, s)
		c.next()
		if o, _ := await(t, out); o.State != relayer.InForce {
			t.Fatalf("outcome %+v", o)
		}
		if stats := s.Stats(); stats.Signers != 1 || stats.Unordered != want {
			t.Errorf("%+v", stats)
		}
	}
}

func TestSequence_UsedNumberIsNoWordAboutTheEffect(t *testing.T) {
	r, _ := newOrdered(t, Options{LookupBudget: time.Millisecond})
	outs, ledgers := r.give(1, 50, true)
	r.step()
	r.silence()
	r.onAsk = func(what string) error {
		if what == "in force" {
			return errAway
		}
		return nil
	}
	for range 3 {
		r.nextStep()
		r.step()
	}
	r.onAsk = nil
	r.step()
	r.wantAll(outs, relayer.InForce)
	if n := len(attemptsOf(ledgers)); n != 1 {
		t.Errorf("%d transactions were made", n)
	}
}

func TestSequence_NumberThatAnotherProcessHasUsedBlamesNoMessageOfWhatWasNeverSent(t *testing.T) {
	r, _ := newOrdered(t, Options{})
	first, _ := r.give(1, 50, true)
	r.step()
	r.nextStep()
	r.wantAll(first, relayer.InForce)
	r.onBroadcast = func(*fakeTx) (bool, error) { return false, chain.ErrNotSent }
	outs, ledgers := r.give(5, 50, true) // the first is in force
	r.step()
	r.onBroadcast = nil
	r.sequences[r.height]++ // by another process
	r.nextStep()            // finds that the number was used
	r.step()
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	if all := attemptsOf(ledgers); len(all) != 2 || all[0].Messages != 4 || all[1].Messages != 4 {
		t.Errorf("%d transactions, want all messages in one again: %+v", len(all), all)
	}
}
