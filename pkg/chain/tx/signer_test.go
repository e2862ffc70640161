package tx

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// rig is a signer whose steps the test takes.
type rig struct {
	*testing.T
	*fakeChain
	signer *signer
}

func newRig(t *testing.T, opts Options) *rig {
	c := newFakeChain()
	return &rig{T: t, fakeChain: c, signer: newTestSigner(t, c, opts)}
}

// step lets the signer work at the present height.
func (r *rig) step() bool { return r.signer.work(r.Context(), r.Latest()) }

// nextStep makes a block and lets the signer work.
func (r *rig) nextStep() bool {
	r.next()
	return r.step()
}

// sent returns the transactions that the node was shown, in order of their timeout.
func (r *rig) sent() []*fakeTx {
	var all []*fakeTx
	for _, tx := range r.known {
		all = append(all, tx)
	}
	slices.SortFunc(all, func(a, b *fakeTx) int { return a.timeout.Compare(b.timeout) })
	return all
}

func (r *rig) want(out <-chan relayer.Outcome, state relayer.OutcomeState) relayer.Outcome {
	r.Helper()
	o, ok := outcome(out)
	if !ok || o.State != state {
		r.Fatalf("outcome is %+v, want %s", o, state)
	}
	if _, open := <-out; open {
		r.Error("channel is not closed after the outcome")
	}
	return o
}

func (r *rig) wantNone(out <-chan relayer.Outcome) {
	r.Helper()
	if o, ok := outcome(out); ok {
		r.Fatalf("outcome is %+v, want none yet", o)
	}
}

func refusal(code uint32) error { return &chain.Refusal{Codespace: "sdk", Code: code, Log: "no"} }

func TestSigner_SameBytesAreSentWithEachBlockUntilIncluded(t *testing.T) {
	r := newRig(t, Options{})
	sends := 0
	r.onBroadcast = func(*fakeTx) (bool, error) { sends++; return true, nil }
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	sub, ledger := r.submission(1, 50)
	out := r.signer.give(t, sub)
	r.step()
	for range 5 {
		r.nextStep()
	}
	if len(r.sent()) != 1 || sends != 6 {
		t.Errorf("%d transactions were sent %d times, want one 6 times", len(r.sent()), sends)
	}
	r.onInclude = nil
	r.nextStep()
	o := r.want(out, relayer.InForce)
	if o.Height != r.height || o.Err != nil {
		t.Errorf("outcome is %+v at height %d", o, r.height)
	}
	if a := ledger.all(); len(a) != 1 || a[0].SentHeight != 1 || a[0].TimeoutHeight != 50-reserve || a[0].Included != r.height || len(a[0].TxBytes) != 0 {
		t.Errorf("recorded %+v", a)
	}
}

func TestSigner_MessageInForceAlreadyIsNotSent(t *testing.T) {
	r := newRig(t, Options{})
	sub, _ := r.submission(1, 50)
	r.effects[recipientOf(sub)] = []int64{1}
	out := r.signer.give(t, sub)
	r.step()
	r.want(out, relayer.InForce)
	if len(r.sent()) != 0 {
		t.Error("it was sent")
	}
}

func TestSigner_IncludedFailureLeadsToANewTransaction(t *testing.T) {
	for _, test := range []struct {
		name     string
		code     uint32
		failures int
		gas      []uint64 // limits of the transactions
		want     relayer.OutcomeState
	}{
		{"out of gas once", 11, 1, []uint64{1500, 2250}, relayer.InForce},
		{"out of gas twice", 11, 2, []uint64{1500, 2250, 3375}, relayer.InForce},
		{"for good", 5, 99, []uint64{1500, 1500, 1500}, relayer.Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Options{})
			left := test.failures
			r.onInclude = func(*fakeTx) (bool, uint32) {
				if left > 0 {
					left--
					return true, test.code
				}
				return true, 0
			}
			sub, ledger := r.submission(1, 50)
			out := r.signer.give(t, sub)
			for range 8 {
				r.step()
				r.next()
			}
			o := r.want(out, test.want)
			if test.want == relayer.Failed && !errors.Is(o.Err, sdkerrors.ErrInsufficientFunds) {
				t.Errorf("reason is %v", o.Err)
			}
			var gas []uint64
			for _, a := range ledger.all() {
				gas = append(gas, a.GasWanted)
				if a.Code != 0 && (a.Included == 0 || a.Error == "" || len(a.TxBytes) > 0) {
					t.Errorf("recorded %+v", a)
				}
			}
			if !slices.Equal(gas, test.gas) {
				t.Errorf("gas limits are %v, want %v", gas, test.gas)
			}
		})
	}
}

func TestSigner_BatchThatFailsInABlockIsHalvedUntilTheGoodOnesLand(t *testing.T) {
	r := newRig(t, Options{})
	var outs []<-chan relayer.Outcome
	bad := ""
	for i := range 8 {
		sub, _ := r.submission(i, 60)
		if i == 3 {
			bad = recipientOf(sub)
		}
		outs = append(outs, r.signer.give(t, sub))
	}
	r.onInclude = func(tx *fakeTx) (bool, uint32) {
		if slices.Contains(tx.recipients, bad) {
			return true, 5 // simulation does not see it coming
		}
		return true, 0
	}
	for range 12 {
		r.step()
		r.step() // what was given back
		r.next()
	}
	for i, out := range outs {
		if i == 3 {
			r.want(out, relayer.Failed)
			continue
		}
		r.want(out, relayer.InForce)
	}
}

func TestSigner_NothingIsSentThatCannotBeRecorded(t *testing.T) {
	r := newRig(t, Options{})
	full := errors.New("disk full")
	sub, ledger := r.submission(1, 50)
	ledger.fail = func() error { return full }
	other, _ := r.submission(2, 50)
	out, otherOut := r.signer.give(t, sub), r.signer.give(t, other)
	if r.step() {
		t.Error("the signer would wait for the next block")
	}
	r.nextStep()
	if len(r.sent()) != 0 {
		t.Fatal("a transaction was sent")
	}
	ledger.fail = nil
	r.step()
	r.nextStep()
	r.want(out, relayer.InForce)
	r.want(otherOut, relayer.InForce)
	if len(r.broken) > 0 {
		t.Error(r.broken)
	}
}

func TestSigner_GivesUpOnlyWhenTheStateIncludesTheDeadline(t *testing.T) {
	r := newRig(t, Options{})
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	sub, _ := r.submission(1, 4)
	out := r.signer.give(t, sub)
	r.lag = 2
	for r.height < 5 {
		r.step()
		r.next()
	}
	if r.step() {
		t.Error("the signer would wait for the next block, though the state may follow at once")
	}
	r.wantNone(out)
	r.lag = 1
	r.step()
	o := r.want(out, relayer.NotIncluded)
	if !errors.Is(o.Err, ErrDeadline) {
		t.Errorf("reason is %v", o.Err)
	}
}

func TestSigner_ChainThatCannotBeAskedEndsNothing(t *testing.T) {
	r := newRig(t, Options{})
	sub, _ := r.submission(1, 3)
	out := r.signer.give(t, sub)
	away := errors.New("away")
	r.onAsk = func(what string) error {
		if what == "in force" {
			return away
		}
		return nil
	}
	for range 8 {
		r.nextStep()
	}
	r.wantNone(out)
	r.onAsk = nil
	r.step()
	o := r.want(out, relayer.NotIncluded)
	if len(r.sent()) != 0 {
		t.Error("a message was sent whose state was not known")
	}
	if o.Height < 3 {
		t.Errorf("outcome %+v", o)
	}
}

func TestSigner_MessageThatNoChainAcceptsFailsAtOnce(t *testing.T) {
	r := newRig(t, Options{})
	sub, _ := r.submission(1, 50)
	sub.Msg = &prooftypes.MsgCreateClaim{SupplierOperatorAddress: testSigner()}
	out := r.signer.give(t, sub)
	r.want(out, relayer.Failed)
	if len(r.signer.waiting) != 0 || r.simulated != 0 {
		t.Error("it was tried")
	}
}

func TestSigner_TransactionIsDueWhenTheFirstOfItsMessagesIs(t *testing.T) {
	r := newRig(t, Options{})
	for i, deadline := range []int64{40, 20, 30} {
		sub, _ := r.submission(i, deadline)
		r.signer.give(t, sub)
	}
	r.step()
	if txs := r.sent(); len(txs) != 1 || txs[0].timeoutHeight != 20-reserve {
		t.Errorf("%+v", txs)
	}
}

func TestSigner_RestartJoinsTheSubmissionsOfOneTransaction(t *testing.T) {
	r := newRig(t, Options{})
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	first, firstLedger := r.submission(1, 50)
	second, secondLedger := r.submission(2, 50)
	r.signer.give(t, first)
	r.signer.give(t, second)
	r.step()

	r.signer = newTestSigner(t, r.fakeChain, Options{})
	r.mempool, r.onInclude = nil, nil
	first.Prior = firstLedger.all()
	out := r.signer.give(t, first)
	secondLedger.attempts, secondLedger.order = make(map[string]relayer.TxAttempt), nil // the disk had failed
	otherOut := r.signer.give(t, second)
	r.step()
	r.nextStep()
	r.want(out, relayer.InForce)
	r.want(otherOut, relayer.InForce)
	if len(r.sent()) != 1 || len(r.broken) > 0 {
		t.Errorf("%d transactions, %v", len(r.sent()), r.broken)
	}
	if len(secondLedger.all()) != 1 {
		t.Error("the second submission has no record of the transaction")
	}
}

func TestSigner_CancelledStepEndsNothing(t *testing.T) {
	r := newRig(t, Options{})
	sub, _ := r.submission(1, 3)
	out := r.signer.give(t, sub)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.onAsk = func(string) error { return ctx.Err() }
	r.signer.work(ctx, r.Latest())
	r.wantNone(out)
}

func TestSigner_MessageOutlivesATransactionWhoseTimeIsOver(t *testing.T) {
	t.Run("height", func(t *testing.T) {
		r := newRig(t, Options{})
		blocked := true
		r.onInclude = func(*fakeTx) (bool, uint32) { return !blocked, 0 }
		early, _ := r.submission(1, 4)
		late, _ := r.submission(2, 50)
		earlyOut, lateOut := r.signer.give(t, early), r.signer.give(t, late)
		for r.height < 4 {
			r.step()
			r.next()
		}
		blocked = false
		r.step()
		r.want(earlyOut, relayer.NotIncluded)
		r.wantNone(lateOut)
		r.nextStep()
		r.want(lateOut, relayer.InForce)
		if len(r.sent()) != 2 || len(r.broken) > 0 {
			t.Errorf("%d transactions, %v", len(r.sent()), r.broken)
		}
	})
	t.Run("life", func(t *testing.T) {
		r := newRig(t, Options{Life: 3 * time.Second}) // of blocks a second apart
		blocked := true
		r.onInclude = func(*fakeTx) (bool, uint32) { return !blocked, 0 }
		sub, _ := r.submission(1, 50)
		out := r.signer.give(t, sub)
		for r.height < 6 {
			r.step()
			r.next()
		}
		blocked = false
		r.step()
		r.nextStep()
		r.want(out, relayer.InForce)
		if len(r.sent()) != 2 || len(r.broken) > 0 {
			t.Errorf("%d transactions, %v", len(r.sent()), r.broken)
		}
	})
}

func TestSigner_RecordedTransactionIsNotSentWhileItsOtherMessageIsUnderWay(t *testing.T) {
	r := newRig(t, Options{})
	first, firstLedger := r.submission(1, 50)
	second, _ := r.submission(2, 50)
	r.onBroadcast = func(*fakeTx) (bool, error) { return false, chain.ErrNotSent }
	r.signer.give(t, first)
	r.signer.give(t, second)
	r.step() // recorded for both and not sent

	r.signer = newTestSigner(t, r.fakeChain, Options{})
	r.onBroadcast = nil
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	out := r.signer.give(t, second) // without its record
	r.nextStep()
	first.Prior = firstLedger.all()
	r.signer.give(t, first)
	r.nextStep()
	r.onInclude = nil
	r.nextStep()
	r.want(out, relayer.InForce)
	if len(r.broken) > 0 || r.tookEffect(recipientOf(second)) != 1 {
		t.Errorf("took effect %d times, %v", r.tookEffect(recipientOf(second)), r.broken)
	}
}
