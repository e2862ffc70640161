package tx

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// world is a signer on a chain on which everything that can go wrong does, as
// rapid draws it.
type world struct {
	t        *rapid.T
	chain    *fakeChain
	signer   *signer
	messages []*tracked
	healthy  bool
}

type tracked struct {
	*relayer.Submission
	ledger   *fakeLedger
	out      <-chan relayer.Outcome
	outcome  *relayer.Outcome
	poisoned bool
}

var errAway = errors.New("no answer")

// rarely is true one time in n, and never on a healthy chain.
func (w *world) rarely(n int, label string) bool {
	return !w.healthy && rapid.IntRange(1, n).Draw(w.t, label) == 1
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, chain: newFakeChain()}
	c := w.chain
	c.ordered = rapid.Bool().Draw(t, "ordered")
	c.onAsk = func(what string) error {
		if w.rarely(6, what) {
			return errAway
		}
		return nil
	}
	c.onBroadcast = func(*fakeTx) (bool, error) {
		switch {
		case w.rarely(6, "lost on the way"):
			return false, errAway
		case w.rarely(6, "not sent"):
			return false, chain.ErrNotSent
		case w.rarely(6, "reply lost"):
			return true, errAway
		case w.rarely(8, "busy"):
			return false, &chain.Refusal{Codespace: "sdk", Code: 20}
		case w.rarely(8, "refused"):
			return false, &chain.Refusal{Codespace: "sdk", Code: 5}
		}
		return true, nil
	}
	c.onInclude = func(*fakeTx) (bool, uint32) {
		if w.rarely(3, "not included yet") {
			return false, 0
		}
		if w.rarely(6, "included without effect") {
			return true, rapid.SampledFrom([]uint32{5, 11}).Draw(w.t, "code")
		}
		return true, 0
	}
	c.refuseSim = func(recipients []string) error {
		for _, m := range w.messages {
			for _, recipient := range recipients {
				if m.poisoned && recipientOf(m.Submission) == recipient {
					return &chain.Refusal{Codespace: chain.SimulationCodespace, Code: 2}
				}
			}
		}
		return nil
	}
	w.restart()
	return w
}

// restart replaces the signer by that of a new process, which knows what was
// recorded and nothing else.
func (w *world) restart() {
	w.chain.tell("restart")
	w.signer = newTestSigner(w.t, w.chain, Options{MaxMessages: 4, CallsAtOnce: 1}) // draws are made one after the other
	for _, m := range w.messages {
		if m.outcome == nil {
			m.Prior = m.ledger.all()
			m.out = w.signer.give(w.t, m.Submission)
		}
	}
}

func (w *world) submit() {
	sub, ledger := w.chain.submission(len(w.messages), w.chain.Latest().Height+rapid.Int64Range(1, 12).Draw(w.t, "due in"))
	sub.Mandatory = rapid.Bool().Draw(w.t, "mandatory")
	ledger.fail = func() error {
		if w.rarely(10, "disk full") {
			return errors.New("disk full")
		}
		return nil
	}
	m := &tracked{Submission: sub, ledger: ledger, poisoned: rapid.IntRange(1, 8).Draw(w.t, "poisoned") == 1}
	w.messages = append(w.messages, m)
	m.out = w.signer.give(w.t, sub)
}

// block lets the chain go on by a block, during which it may forget what is in
// its mempool, and the signer work, more than once if it wants to.
func (w *world) block() {
	if w.rarely(10, "mempool lost") {
		w.chain.mempool = nil
	}
	w.chain.lag = 0
	if w.rarely(3, "state lags") {
		w.chain.lag = rapid.Int64Range(1, 2).Draw(w.t, "by")
	}
	latest := w.chain.next()
	for range 3 {
		if w.signer.work(context.Background(), latest) {
			break
		}
	}
	w.check()
}

func (w *world) check() {
	w.t.Helper()
	if len(w.chain.broken) > 0 {
		w.t.Fatalf("%s\n%s", strings.Join(w.chain.broken, "\n"), strings.Join(w.chain.story, "\n"))
	}
	for _, m := range w.messages {
		if o, ok := outcome(m.out); ok && o.State != "" {
			m.outcome = &o
		}
		took := w.chain.tookEffect(recipientOf(m.Submission))
		if took > 1 {
			w.t.Fatalf("%s took effect %d times", m.Key, took)
		}
		if m.outcome == nil {
			continue
		}
		inForce := m.outcome.State == relayer.InForce
		if inForce != (took == 1) {
			w.t.Fatalf("%s took effect %d times and ended with %+v", m.Key, took, *m.outcome)
		}
		if m.outcome.State == relayer.NotIncluded && w.chain.Latest().Height < m.Deadline {
			w.t.Fatalf("%s was given up at %d, due at %d", m.Key, w.chain.Latest().Height, m.Deadline)
		}
	}
}

// Whatever goes wrong: a message takes effect once at most, its outcome is what
// the chain's state shows, nothing is sent that is not recorded, and nothing that
// could double what can still be included. When all is well again, every
// submission ends.
func TestSigner_NoMessageTwiceAndNoOutcomeThatTheStateContradicts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(5, 40).Draw(t, "blocks") {
			for range rapid.IntRange(0, 3).Draw(t, "submissions") {
				w.submit()
			}
			if w.rarely(15, "restart") {
				w.restart()
			}
			w.block()
		}
		w.healthy = true
		for range 15 {
			w.block()
		}
		for _, m := range w.messages {
			if m.outcome == nil {
				t.Fatalf("%s has no outcome, it was due at %d", m.Key, m.Deadline)
			}
		}
	})
}

// On a chain that works again, a message that nothing is wrong with lands if its
// deadline leaves three blocks.
func TestSigner_LandsWhenTheChainIsWellAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		sub, ledger := w.chain.submission(0, w.chain.Latest().Height+100)
		m := &tracked{Submission: sub, ledger: ledger}
		w.messages = []*tracked{m}
		m.out = w.signer.give(t, sub)
		for range rapid.IntRange(0, 20).Draw(t, "blocks of trouble") {
			w.block()
			if m.outcome != nil {
				return
			}
			if w.rarely(10, "restart") {
				w.restart()
			}
		}
		w.healthy = true
		for range 3 {
			w.block()
		}
		if (m.outcome == nil || m.outcome.State != relayer.InForce) && w.signerGaveUp(m) {
			t.Fatalf("outcome is %+v, attempts %+v", m.outcome, ledger.all())
		}
	})
}

// signerGaveUp reports whether a message has not landed for another reason than
// having failed in blocks of its own too often.
func (w *world) signerGaveUp(m *tracked) bool {
	failed := 0
	for _, a := range m.ledger.all() {
		if a.Included > 0 && a.Code != 0 {
			failed++
		}
	}
	return failed < maxFailures
}
