package tx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"cosmossdk.io/math"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// wallet is the balance of every account, less the fees that the chain took.
type wallet struct {
	*fakeChain
	upokt int64
	fail  error
	asked int
}

func (w *wallet) Balance(context.Context, string) (math.Int, error) {
	w.asked++
	left := w.upokt
	for _, tx := range w.known {
		if tx.included > 0 {
			left -= tx.fee
		}
	}
	return math.NewInt(left), w.fail
}

// A message costs 1500 gas at one hundredth of a upokt.
const messageFee = 15

// newPaying returns a rig whose signer has some upokt, and what it logs.
func newPaying(t *testing.T, upokt int64) (*rig, *wallet, *bytes.Buffer) {
	r := newRig(t, Options{})
	w, logged := &wallet{fakeChain: r.fakeChain, upokt: upokt}, &bytes.Buffer{}
	r.signer = newTestSigner(t, r.fakeChain, Options{GasPrices: "0.01upokt", Balances: w})
	r.signer.Logger = slog.New(slog.NewTextHandler(logged, nil))
	return r, w, logged
}

// give hands over n messages.
func (r *rig) give(n int, deadline int64, mandatory bool) (outs []<-chan relayer.Outcome, ledgers []*fakeLedger) {
	for i := range n {
		sub, ledger := r.submission(i, deadline)
		sub.Mandatory = mandatory
		outs = append(outs, r.signer.give(r, sub))
		ledgers = append(ledgers, ledger)
	}
	return outs, ledgers
}

func TestPurse_OptionalMessagesAreHeldUntilTheBalancePaysForThem(t *testing.T) {
	r, w, logged := newPaying(t, 3*messageFee-1)
	outs, ledgers := r.give(3, 50, false)
	r.step()
	r.nextStep()
	r.nextStep()
	if len(r.sent()) != 0 || len(ledgers[0].all()) != 0 {
		t.Fatal("a transaction was made that cannot be paid for")
	}
	if w.asked != 3 {
		t.Errorf("the balance was asked for %d times in 3 blocks", w.asked)
	}
	w.upokt = 3 * messageFee
	r.nextStep()
	r.nextStep()
	for _, out := range outs {
		r.want(out, relayer.InForce)
	}
	text := logged.String()
	if strings.Count(text, "balance does not pay the fee") != 1 || strings.Count(text, "balance pays the fees again") != 1 {
		t.Errorf("each change is not logged once:\n%s", text)
	}
	if !strings.Contains(text, "balance_upokt=44 fee_upokt=45 messages=3") {
		t.Errorf("logged:\n%s", text)
	}
}

func TestPurse_MessageThatCouldNeverBePaidEndsWithTheReason(t *testing.T) {
	r, _, _ := newPaying(t, 1)
	outs, _ := r.give(1, 4, false)
	for r.height < 4 {
		r.step()
		r.next()
	}
	r.step()
	o := r.want(outs[0], relayer.NotIncluded)
	if !errors.Is(o.Err, ErrBalance) || !errors.Is(o.Err, ErrDeadline) {
		t.Errorf("reason is %v", o.Err)
	}
}

func TestPurse_MandatoryMessagesAreSentAsFarAsTheBalanceGoes(t *testing.T) {
	for _, test := range []struct {
		name  string
		upokt int64
		fees  []int64 // of the transactions of two blocks
		sent  int     // messages
	}{
		{"all", 4 * messageFee, []int64{4 * messageFee}, 4},
		{"some", 2*messageFee + 7, []int64{2 * messageFee, 7}, 3},
		{"the last pays for less than the price", 3, []int64{3}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _, _ := newPaying(t, test.upokt)
			outs, _ := r.give(4, 50, true)
			r.step()
			r.nextStep()
			var fees []int64
			sent := 0
			for _, tx := range r.sent() {
				if tx.fee == 0 {
					continue // an empty purse still offers what it has
				}
				fees, sent = append(fees, tx.fee), sent+len(tx.recipients)
			}
			if len(fees) != len(test.fees) || fees[0] != test.fees[0] || fees[len(fees)-1] != test.fees[len(fees)-1] || sent != test.sent {
				t.Errorf("fees are %v for %d messages, want %v for %d", fees, sent, test.fees, test.sent)
			}
			r.nextStep()
			r.nextStep()
			r.want(outs[0], relayer.InForce)
			if len(r.broken) > 0 {
				t.Error(r.broken)
			}
		})
	}
}

func TestPurse_MandatoryMessageIsPaidForAsLongAsThePenaltyIsLarger(t *testing.T) {
	for _, test := range []struct {
		name    string
		penalty int64
		want    relayer.OutcomeState
	}{
		{"not known", 0, relayer.InForce},
		{"as large", messageFee, relayer.InForce},
		{"smaller", messageFee - 1, relayer.NotIncluded},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _, _ := newPaying(t, 1_000_000)
			sub, ledger := r.submission(1, 4)
			sub.Mandatory, sub.PenaltyUpokt = true, test.penalty
			out := r.signer.give(t, sub)
			for r.height < 4 {
				r.step()
				r.next()
			}
			r.step()
			o := r.want(out, test.want)
			if test.want == relayer.NotIncluded && (!errors.Is(o.Err, ErrPenalty) || len(ledger.all()) != 0) {
				t.Errorf("reason is %v, recorded %+v", o.Err, ledger.all())
			}
		})
	}
}

func TestPurse_FeesOfWhatIsUnderWayAreSpent(t *testing.T) {
	r, _, _ := newPaying(t, 3*messageFee)
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	r.give(2, 50, true)
	r.step()
	for i := range 2 {
		sub, _ := r.submission(10+i, 50)
		r.signer.give(t, sub)
	}
	r.nextStep()
	if len(r.sent()) != 1 {
		t.Errorf("%d transactions for %d upokt", len(r.sent()), 3*messageFee)
	}
}

func TestPurse_UnknownBalanceHoldsNothing(t *testing.T) {
	r, w, _ := newPaying(t, 0)
	w.fail = errors.New("away")
	outs, _ := r.give(2, 50, false)
	r.step()
	r.nextStep()
	for _, out := range outs {
		r.want(out, relayer.InForce)
	}
}

func TestPurse_ShortFeeThatIsRefusedDoesNotRaiseThePrice(t *testing.T) {
	r, _, _ := newPaying(t, 3)
	r.minPrice = dec("0.01")
	r.give(1, 50, true)
	r.step()
	r.nextStep()
	if price := r.signer.prices[true]; !price.Equal(dec("0.01")) {
		t.Errorf("price is %s", price)
	}
	if len(r.sent()) != 2 {
		t.Errorf("%d transactions in two blocks", len(r.sent()))
	}
}

func TestSigner_MessageThatWouldComeTooLateIsNotSent(t *testing.T) {
	r := newRig(t, Options{})
	late, lateLedger := r.submission(1, 3)
	sub, _ := r.submission(2, 50)
	lateOut, out := r.signer.give(t, late), r.signer.give(t, sub)
	r.next()
	stale := r.Latest() // height 2: in time
	r.onAsk = func(what string) error {
		if what == "simulate" && r.height == 2 {
			r.height, r.block = 3, &relayer.Block{Height: 3, Time: stale.Time.Add(1)} // takes a block's time
		}
		return nil
	}
	if r.signer.step(t.Context(), stale) {
		t.Error("the signer would wait for the next block")
	}
	if len(r.sent()) != 0 || len(lateLedger.all()) != 0 {
		t.Error("a transaction was made")
	}
	r.step()
	r.nextStep()
	r.want(out, relayer.InForce)
	if o := r.want(lateOut, relayer.NotIncluded); !errors.Is(o.Err, ErrDeadline) {
		t.Errorf("reason is %v", o.Err)
	}
	if txs := r.sent(); len(txs) != 1 || len(txs[0].recipients) != 1 {
		t.Errorf("%d transactions", len(txs))
	}
}

func TestSigner_BatchThatNoBlockHoldsIsSplitAtOnceAndLaterOnesBeforeTheyAreSent(t *testing.T) {
	r := newRig(t, Options{})
	const blockGas = 4000 // two messages ask for 3000
	refused := 0
	r.onBroadcast = func(tx *fakeTx) (bool, error) {
		if tx.gas > blockGas {
			refused++
			return false, refusal(41)
		}
		return true, nil
	}
	var outs []<-chan relayer.Outcome
	for i := range 8 {
		sub, _ := r.submission(i, 50)
		outs = append(outs, r.signer.give(t, sub))
	}
	if !r.step() {
		t.Error("the halves wait for another step")
	}
	r.nextStep()
	if refused != 2 {
		t.Errorf("%d transactions were refused, want those of 8 and of 4 messages", refused)
	}
	for i := range 8 {
		sub, _ := r.submission(10+i, 50)
		outs = append(outs, r.signer.give(t, sub))
	}
	r.step()
	r.nextStep()
	for _, out := range outs {
		r.want(out, relayer.InForce)
	}
	if refused != 2 || len(r.sent()) != 2+8 {
		t.Errorf("%d transactions, %d refused", len(r.sent()), refused)
	}
	if len(r.broken) > 0 {
		t.Error(r.broken)
	}
}

func TestPurse_MessageThatEarnsLessThanItsShareOfTheFeeIsNotSent(t *testing.T) {
	r, _, _ := newPaying(t, 1000*messageFee)
	poor, poorLedger := r.submission(0, 50)
	poor.WorthUpokt = messageFee - 1
	rich, _ := r.submission(1, 50)
	rich.WorthUpokt = messageFee
	poorOut, richOut := r.signer.give(t, poor), r.signer.give(t, rich)
	r.step()
	r.nextStep()
	r.want(richOut, relayer.InForce)
	if n := len(poorLedger.all()); n != 0 {
		t.Errorf("%d attempts were made for what does not pay", n)
	}
	for r.height < 51 {
		r.nextStep()
	}
	outcome := r.want(poorOut, relayer.Unprofitable)
	if !errors.Is(outcome.Err, ErrUnprofitable) {
		t.Errorf("outcome %v", outcome.Err)
	}
}

func TestPurse_MessageIsSentOnceItsFeeIsLessThanItEarns(t *testing.T) {
	r, _, _ := newPaying(t, 1000*messageFee)
	sub, _ := r.submission(0, 50)
	sub.WorthUpokt = messageFee / 2
	out := r.signer.give(t, sub)
	r.step()
	r.nextStep()
	if len(r.sent()) != 0 {
		t.Fatal("sent at a loss")
	}
	r.signer.prices[false] = math.LegacyNewDecWithPrec(4, 3) // 0.004upokt
	r.nextStep()
	r.nextStep()
	r.want(out, relayer.InForce)
}
