package tx

import (
	"errors"
	"slices"
	"testing"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestSigner_RefusedBroadcasts(t *testing.T) {
	for _, test := range []struct {
		name     string
		code     uint32
		messages int
		txs      int // in the end
		want     relayer.OutcomeState
	}{
		{"mempool is full: the same bytes again", 20, 3, 1, relayer.InForce},
		{"too large: two halves", 21, 4, 3, relayer.InForce},
		{"too large alone: given up", 21, 1, 1, relayer.Failed},
		{"signature is wrong: account is asked for again", 4, 2, 2, relayer.InForce},
		{"timestamp is refused: another", 18, 2, 2, relayer.InForce},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Options{})
			first := true
			r.onBroadcast = func(*fakeTx) (bool, error) {
				if first {
					first = false
					return false, refusal(test.code)
				}
				return true, nil
			}
			var outs []<-chan relayer.Outcome
			for i := range test.messages {
				sub, _ := r.submission(i, 50)
				outs = append(outs, r.signer.give(t, sub))
			}
			r.step()
			for range 4 {
				r.step() // what need not wait for a block
				r.next()
			}
			r.step()
			for _, out := range outs {
				r.want(out, test.want)
			}
			if txs := r.sent(); len(txs) != test.txs {
				t.Errorf("%d transactions, want %d", len(txs), test.txs)
			}
		})
	}
}

func TestSigner_FeeIsRaisedAtOnceAndKept(t *testing.T) {
	r := newRig(t, Options{GasPrices: "0.01upokt"})
	r.minPrice = dec("0.05")
	for i := range 3 {
		sub, _ := r.submission(i, 50)
		out := r.signer.give(t, sub)
		r.step()
		r.nextStep()
		r.want(out, relayer.InForce)
	}
	if r.prices != 1 || len(r.sent()) != 4 {
		t.Errorf("price was asked for %d times for %d transactions", r.prices, len(r.sent()))
	}
}

func TestSigner_FeeThatNodesRaiseMeanwhileIsPaidOnceTheFirstTransactionCannotBeIncluded(t *testing.T) {
	for _, test := range []struct {
		name     string
		demanded string
		want     relayer.OutcomeState
	}{
		{"within the limit", "0.05", relayer.InForce},
		{"beyond the limit", "5", relayer.Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Options{GasPrices: "0.01upokt"})
			outs, ledgers := r.give(3, 5, false)
			r.step()
			r.minPrice, r.mempool = dec(test.demanded), nil // it is evicted
			for r.height < 5 {
				r.nextStep()
			}
			r.step()
			for _, out := range outs {
				o := r.want(out, test.want)
				if test.want == relayer.Failed && !errors.Is(o.Err, sdkerrors.ErrInsufficientFee) {
					t.Errorf("reason is %v", o.Err)
				}
			}
			all := ledgers[0].all()
			if len(all) < 2 || all[1].FeeUpokt <= all[0].FeeUpokt || all[1].SentHeight < all[0].TimeoutHeight {
				t.Errorf("recorded %+v", all)
			}
			if price := r.signer.prices[false]; price.GT(dec("0.1")) {
				t.Errorf("price is %s", price)
			}
			if r.prices > 3 || len(r.broken) > 0 {
				t.Errorf("the price was asked for %d times, %v", r.prices, r.broken)
			}
		})
	}
}

func TestSigner_FullMempoolHoldsBackWhatWasNotSentYet(t *testing.T) {
	r := newRig(t, Options{MaxMessages: 1})
	full, sends := true, 0
	r.onBroadcast = func(*fakeTx) (bool, error) {
		if sends++; full {
			return false, refusal(20)
		}
		return true, nil
	}
	outs, ledgers := r.give(10, 50, false)
	if r.step() {
		t.Error("the signer would wait for the next block")
	}
	r.nextStep()
	if sends != 2 || len(attemptsOf(ledgers)) != 1 {
		t.Errorf("%d transactions were sent %d times to a node that takes none", len(attemptsOf(ledgers)), sends)
	}
	full = false
	r.step()
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
}

func TestSigner_RefusedMessageIsSimulatedOncePerBlockAndApartFromNewOnes(t *testing.T) {
	r := newRig(t, Options{})
	bad, _ := r.submission(1, 50)
	mixed := false
	r.refuseSim = func(recipients []string) error {
		if !slices.Contains(recipients, recipientOf(bad)) {
			return nil
		}
		mixed = mixed || len(recipients) > 1
		return &chain.Refusal{Codespace: chain.SimulationCodespace, Code: 2}
	}
	r.signer.give(t, bad)
	for range 3 {
		r.step()
	}
	if r.simulated != 1 {
		t.Errorf("%d simulations in one block", r.simulated)
	}
	good, _ := r.submission(2, 50)
	out := r.signer.give(t, good)
	r.nextStep()
	r.nextStep()
	r.want(out, relayer.InForce)
	if mixed {
		t.Error("the refused message was simulated with another")
	}
	if r.simulated != 1+2+1 {
		t.Errorf("%d simulations in three blocks", r.simulated)
	}
}

func TestSigner_BisectionFindsTheMessageThatIsRefused(t *testing.T) {
	r := newRig(t, Options{})
	var outs []<-chan relayer.Outcome
	bad := ""
	for i := range 16 {
		sub, _ := r.submission(i, 6)
		if i == 9 {
			bad = recipientOf(sub)
		}
		outs = append(outs, r.signer.give(t, sub))
	}
	r.refuseSim = func(recipients []string) error {
		if slices.Contains(recipients, bad) {
			return &chain.Refusal{Codespace: chain.SimulationCodespace, Code: 2, Log: "claim window is closed"}
		}
		return nil
	}
	r.step()
	// All, then two halves at each of four levels, then the others together.
	if r.simulated != 1+2*4+1 {
		t.Errorf("%d simulations", r.simulated)
	}
	for range 6 {
		r.nextStep()
	}
	for i, out := range outs {
		if i != 9 {
			r.want(out, relayer.InForce)
			continue
		}
		o := r.want(out, relayer.Failed)
		var refused *chain.Refusal
		if !errors.As(o.Err, &refused) || refused.Log != "claim window is closed" {
			t.Errorf("reason is %v", o.Err)
		}
	}
	if txs := r.sent(); len(txs) != 1 || len(txs[0].recipients) != 15 {
		t.Errorf("%d transactions", len(txs))
	}
}

func TestSigner_RefusalThatHealsIsTriedAgainWithTheNextBlock(t *testing.T) {
	r := newRig(t, Options{})
	open := int64(4)
	r.refuseSim = func([]string) error {
		if r.height < open {
			return &chain.Refusal{Codespace: chain.SimulationCodespace, Code: 9, Log: "window is not open"}
		}
		return nil
	}
	var outs []<-chan relayer.Outcome
	for i := range 8 {
		sub, _ := r.submission(i, 20)
		outs = append(outs, r.signer.give(t, sub))
	}
	for r.height <= open {
		r.step()
		r.next()
	}
	r.step()
	for _, out := range outs {
		r.want(out, relayer.InForce)
	}
	if txs := r.sent(); len(txs) != 1 {
		t.Errorf("%d transactions, want one", len(txs))
	}
}
