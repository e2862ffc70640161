package tx

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// fakeLedger keeps what a submission records.
type fakeLedger struct {
	mu       sync.Mutex
	attempts map[string]relayer.TxAttempt
	order    []string
	fail     func() error
	chain    *fakeChain
}

func (l *fakeLedger) record(a relayer.TxAttempt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		if err := l.fail(); err != nil {
			l.chain.tell("%.6s with code %d is not recorded", a.Hash, a.Code)
			return err
		}
	}
	if _, ok := l.attempts[a.Hash]; !ok {
		l.order = append(l.order, a.Hash)
	}
	l.attempts[a.Hash] = a
	return nil
}

func (l *fakeLedger) has(hash string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.attempts[hash]
	return ok
}

func (l *fakeLedger) all() []relayer.TxAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []relayer.TxAttempt
	for _, hash := range l.order {
		all = append(all, l.attempts[hash])
	}
	return all
}

// oneKey has the key of every address asked for.
type oneKey struct{ *secp256k1.PrivKey }

func (k oneKey) Signer(address string) (cryptotypes.PrivKey, bool) { return k.PrivKey, address != "" }

var testKey = oneKey{secp256k1.GenPrivKeyFromSecret([]byte("signer"))}

func testSigner() string { return cosmostypes.AccAddress(testKey.PubKey().Address()).String() }

// submission returns a message to the n-th recipient.
func (c *fakeChain) submission(n int, deadline int64) (*relayer.Submission, *fakeLedger) {
	recipient := cosmostypes.AccAddress(fmt.Appendf(nil, "%020d", n)).String()
	ledger := &fakeLedger{chain: c, attempts: make(map[string]relayer.TxAttempt)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ledgers[recipient] = ledger
	return &relayer.Submission{
		Key: "send/" + recipient, Signer: testSigner(), Deadline: deadline,
		Msg: &banktypes.MsgSend{
			FromAddress: testSigner(), ToAddress: recipient,
			Amount: cosmostypes.NewCoins(cosmostypes.NewInt64Coin(chain.Denom, 1)),
		},
		InForce: func(context.Context) (bool, error) { return c.inForce(recipient) },
		Record:  ledger.record,
	}, ledger
}

func recipientOf(sub *relayer.Submission) string { return sub.Msg.(*banktypes.MsgSend).ToAddress }

// newTestSigner returns a signer without its goroutine, so that a test decides
// when it works.
func newTestSigner(t interface{ Fatal(...any) }, c *fakeChain, opts Options) *signer {
	opts.Logger = slog.New(slog.DiscardHandler)
	set, err := opts.complete()
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(&means{settings: set, node: c, blocks: c}, testSigner(), testKey.PrivKey, func(string) {})
}

// give hands a submission to a signer that has no goroutine.
func (g *signer) give(t interface{ Fatal(...any) }, sub *relayer.Submission) <-chan relayer.Outcome {
	p, err := newPending(sub)
	if err != nil {
		t.Fatal(err)
	}
	g.accept(p)
	g.collect()
	return p.out
}

// work makes a step and looks transactions up, as a turn does.
func (g *signer) work(ctx context.Context, latest *relayer.Block) (done bool) {
	done = g.step(ctx, latest)
	return !g.lookUp(ctx, latest) && done
}

// outcome returns what a submission ended with, if it has ended.
func outcome(out <-chan relayer.Outcome) (relayer.Outcome, bool) {
	select {
	case o := <-out:
		return o, true
	default:
		return relayer.Outcome{}, false
	}
}
