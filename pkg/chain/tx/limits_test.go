package tx

import (
	"context"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestLimits_BatchesStayBelowThoseOfBlocks(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits chain.BlockLimits
		txs    int // of the second 12 messages, when the gas of one is known
		lone   int // largest number of messages in one
	}{
		{"none", chain.BlockLimits{}, 1, 12},
		{"gas", chain.BlockLimits{Gas: 4500}, 4, 3}, // a message asks for 1500
		{"bytes", chain.BlockLimits{Bytes: 2 * 1300}, 2, 6},
		{"none has room", chain.BlockLimits{Gas: 1000}, 12, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Options{})
			r.signer.limits.block = test.limits
			outs, _ := r.give(12, 50, false)
			r.step()
			before := r.simulated
			sent := len(r.sent())
			for i := range 12 {
				sub, _ := r.submission(20+i, 50)
				outs = append(outs, r.signer.give(t, sub))
			}
			r.nextStep()
			if n := len(r.sent()) - sent; n != test.txs || r.simulated-before != n {
				t.Errorf("%d transactions after %d simulations, want %d", n, r.simulated-before, test.txs)
			}
			r.nextStep()
			r.wantAll(outs, relayer.InForce)
			for _, tx := range r.sent() {
				if len(tx.recipients) > test.lone {
					t.Errorf("a transaction has %d messages", len(tx.recipients))
				}
			}
		})
	}
}

func TestLimits_RefusalForItsSizeHalvesABatchAndLowersTheBound(t *testing.T) {
	r := newRig(t, Options{})
	const mostBytes = 2300
	refused := 0
	r.onBroadcast = func(tx *fakeTx) (bool, error) {
		if tx.size > mostBytes {
			refused++
			return false, refusal(21)
		}
		return true, nil
	}
	outs, _ := r.give(32, 50, false)
	for range 4 {
		r.step()
	}
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	known := refused
	for i := range 32 {
		sub, _ := r.submission(100+i, 50)
		outs = append(outs, r.signer.give(t, sub))
	}
	r.step()
	r.nextStep()
	r.wantAll(outs[32:], relayer.InForce)
	if refused != known || known == 0 {
		t.Errorf("%d transactions were refused, %d of them later ones", refused, refused-known)
	}
}

func TestLimits_BatchesThatWerePackedBeforeARefusalHeedIt(t *testing.T) {
	r := newRig(t, Options{MaxBytes: 3000})
	refused := 0
	r.onBroadcast = func(tx *fakeTx) (bool, error) {
		if tx.size > 2300 {
			refused++
			return false, refusal(21)
		}
		return true, nil
	}
	outs, _ := r.give(64, 50, false)
	r.step()
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	if refused != 1 {
		t.Errorf("%d transactions were refused", refused)
	}
}

func TestLimits_AreAskedForAtTheStartRarelyAndAfterARefusal(t *testing.T) {
	c := newFakeChain()
	c.limits = chain.BlockLimits{Gas: 7, Bytes: 9}
	s := newTestSubmitter(t, c, Options{})
	ask := func(blocks int) (times int) {
		c.limitsAsked = 0
		for range blocks {
			c.height++
			s.learnLimits(t.Context(), c.height)
		}
		return c.limitsAsked
	}
	s.stopForTest(t)
	if n := ask(1 + 2*limitBlocks); n < 2 || n > 3 {
		t.Errorf("asked %d times in %d blocks", n, 1+2*limitBlocks)
	}
	if s.limits.maxGas() != 7 || s.limits.maxBytes(100) != 4 {
		t.Errorf("limits are %+v", s.limits.block)
	}
	s.limits.refused(&relayer.TxAttempt{Messages: 1}, 100, &chain.Refusal{Codespace: "sdk", Code: 21})
	if n := ask(3); n != 1 {
		t.Errorf("asked %d times after a refusal", n)
	}
	c.onAsk = func(string) error { return errAway }
	s.limits.refused(&relayer.TxAttempt{Messages: 1}, 100, &chain.Refusal{Codespace: "sdk", Code: 21})
	if n := ask(3); n != 3 || s.limits.maxGas() != 7 {
		t.Errorf("asked %d times without an answer, limits are %+v", n, s.limits.block)
	}
}

// stopForTest ends the submitter's goroutines, so that the test has its parts for itself.
func (s *Submitter) stopForTest(t *testing.T) {
	t.Helper()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLimits_SilentNodeDelaysNoTransaction(t *testing.T) {
	c := newFakeChain()
	asked, release := make(chan struct{}), make(chan struct{})
	s, err := NewSubmitter(hangingLimits{c, asked, release}, c, testKey, Options{Linger: time.Millisecond, CallTimeout: testPatience})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		close(release)
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	<-asked
	out, _ := sendOne(t, c, s)
	c.next()
	if o, _ := await(t, out); o.State != relayer.InForce {
		t.Errorf("outcome %+v", o)
	}
}

// hangingLimits does not answer what the limits of blocks are.
type hangingLimits struct {
	*fakeChain
	asked   chan<- struct{}
	release <-chan struct{}
}

func (h hangingLimits) BlockLimits(ctx context.Context) (chain.BlockLimits, error) {
	h.asked <- struct{}{}
	select {
	case <-h.release:
	case <-ctx.Done():
	}
	return chain.BlockLimits{}, errAway
}
