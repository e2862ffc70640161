package chaintest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cosmossdk.io/math"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/chain/tx"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// bench is a submitter on a real chain. What it sends are coins, each time to an
// account that has none, so that the balance tells how often a message took effect.
type bench struct {
	t       *testing.T
	ctx     context.Context
	network *localnet.Network
	node    *chain.Node
	blocks  *chain.BlockDriver
	queries *chain.Queries
	keys    *chain.Keys
}

func newBench(t *testing.T, config localnet.Config) *bench {
	t.Helper()
	network := start(t, config)
	return newBenchOn(t, network, dial(t, network))
}

// newBenchOn returns a bench that reaches the chain through node.
func newBenchOn(t *testing.T, network *localnet.Network, node *chain.Node) *bench {
	t.Helper()
	b := &bench{t: t, ctx: deadline(t), network: network, node: node}
	b.blocks = follow(t, b.node, chain.WithMinSilence(time.Second), chain.WithPollInterval(100*time.Millisecond))
	b.queries = chain.NewQueries(b.node)
	ring, err := chain.OpenKeyring("test", network.KeyringDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, supplier := range network.Suppliers {
		names = append(names, supplier.KeyName)
	}
	if b.keys, err = chain.LoadKeys(ring, names); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) submitter(opts tx.Options) *tx.Submitter {
	b.t.Helper()
	opts.Logger = logger(b.t)
	s, err := tx.NewSubmitter(b.node, b.blocks, b.keys, opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			b.t.Error(err)
		}
	})
	return s
}

// ledger keeps the attempts of one submission as a store would.
type ledger struct {
	mu       sync.Mutex
	attempts map[string]relayer.TxAttempt
	sent     [][]byte // the transactions, which a store forgets when they are over
}

func (l *ledger) record(a relayer.TxAttempt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.attempts == nil {
		l.attempts = make(map[string]relayer.TxAttempt)
	}
	if _, ok := l.attempts[a.Hash]; !ok {
		l.sent = append(l.sent, a.TxBytes)
	}
	l.attempts[a.Hash] = a
	return nil
}

func (l *ledger) all() []relayer.TxAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []relayer.TxAttempt
	for _, a := range l.attempts {
		all = append(all, a)
	}
	return all
}

// transfer is one message with what became of it.
type transfer struct {
	*relayer.Submission
	ledger
	to     string
	amount int64
}

// transfer prepares to send upokt, due blocks from now.
func (b *bench) transfer(signer string, amount, due int64) *transfer {
	b.t.Helper()
	address := make([]byte, 20)
	if _, err := rand.Read(address); err != nil {
		b.t.Fatal(err)
	}
	m := &transfer{to: cosmostypes.AccAddress(address).String(), amount: amount}
	m.Submission = &relayer.Submission{
		Key:      "transfer/" + m.to,
		Signer:   signer,
		Deadline: b.blocks.Latest().Height + due,
		Msg: &banktypes.MsgSend{
			FromAddress: signer, ToAddress: m.to,
			Amount: cosmostypes.NewCoins(cosmostypes.NewInt64Coin(chain.Denom, amount)),
		},
		InForce: func(ctx context.Context) (bool, error) {
			balance, err := b.queries.Balance(ctx, m.to)
			return err == nil && balance.IsPositive(), err
		},
		Record: m.record,
	}
	return m
}

func (b *bench) submit(s *tx.Submitter, m *transfer) <-chan relayer.Outcome {
	b.t.Helper()
	out, err := s.Submit(b.ctx, m.Submission)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) outcome(out <-chan relayer.Outcome) relayer.Outcome {
	b.t.Helper()
	select {
	case o, ok := <-out:
		if !ok {
			b.t.Fatal("no outcome")
		}
		return o
	case <-b.ctx.Done():
		b.t.Fatal("no outcome in time")
	}
	return relayer.Outcome{}
}

// tookEffect checks how often the message took effect.
func (b *bench) tookEffect(m *transfer, times int64) {
	b.t.Helper()
	balance, err := b.queries.Balance(b.ctx, m.to)
	if err != nil {
		b.t.Fatal(err)
	}
	if want := math.NewInt(times * m.amount); !balance.Equal(want) {
		b.t.Errorf("%s has %s, want %s", m.to, balance, want)
	}
}

// passes waits for so many blocks.
func (b *bench) passes(blocks int64) {
	b.t.Helper()
	height := b.blocks.Latest().Height + blocks
	await(b.t, b.ctx, fmt.Sprintf("block %d", height), func() bool { return b.blocks.Latest().Height >= height })
}

func TestSubmitter_ManyMessagesOfManySignersLandOnce(t *testing.T) {
	b := newBench(t, localnet.Config{Suppliers: 5, MinGasPrices: "0.001upokt"})
	s := b.submitter(tx.Options{GasPrices: "0.001upokt", MaxMessages: 10, Linger: 300 * time.Millisecond})
	const each = 25
	var messages []*transfer
	var outs []<-chan relayer.Outcome
	for range each {
		for _, supplier := range b.network.Suppliers {
			m := b.transfer(supplier.OperatorAddress, 7, 100)
			messages = append(messages, m)
			outs = append(outs, b.submit(s, m))
		}
	}
	for _, out := range outs {
		if o := b.outcome(out); o.State != relayer.InForce {
			t.Fatalf("outcome %+v", o)
		}
	}
	b.passes(3)
	for _, m := range messages {
		b.tookEffect(m, 1)
		for _, a := range m.all() {
			if a.Messages > 10 || a.FeeUpokt <= 0 || a.Included <= a.SentHeight || len(a.TxBytes) > 0 {
				t.Errorf("attempt %+v", a)
			}
		}
	}
	stats := s.Stats()
	t.Logf("%+v", stats)
	if stats.Pending != 0 || stats.InForce != uint64(len(messages)) || stats.Attempts != 15 || stats.Included != 15 {
		t.Errorf("%+v, want %d in force with 15 transactions", stats, len(messages))
	}
}

func TestChain_IncludesATransactionOnceHoweverOftenItIsSent(t *testing.T) {
	b := newBench(t, localnet.Config{})
	s := b.submitter(tx.Options{})
	m := b.transfer(b.network.Suppliers[0].OperatorAddress, 3, 100)
	if o := b.outcome(b.submit(s, m)); o.State != relayer.InForce {
		t.Fatalf("outcome %+v", o)
	}
	for range 5 {
		// The node says that it has the transaction, or refuses it.
		var refusal *chain.Refusal
		if err := b.node.Broadcast(b.ctx, m.sent[0]); err != nil && !errors.As(err, &refusal) {
			t.Error(err)
		}
		b.passes(1)
	}
	b.tookEffect(m, 1)
	attempt := m.all()[0]
	hash, err := hex.DecodeString(attempt.Hash)
	if err != nil {
		t.Fatal(err)
	}
	result, found, err := b.node.FindTx(b.ctx, hash, 1, b.blocks.Latest().Height)
	if err != nil || !found || result.Height != attempt.Included || result.Code != 0 || result.GasUsed == 0 {
		t.Errorf("found %+v, %v, %v; recorded %+v", result, found, err, attempt)
	}
}

func TestSubmitter_MessageThatIsRefusedDoesNotHoldUpTheOthers(t *testing.T) {
	b := newBench(t, localnet.Config{})
	s := b.submitter(tx.Options{Linger: 300 * time.Millisecond})
	signer := b.network.Suppliers[0].OperatorAddress
	var good []*transfer
	var outs []<-chan relayer.Outcome
	var bad <-chan relayer.Outcome
	for i := range 50 {
		amount := int64(5)
		if i == 37 {
			amount = 1 << 60 // more than there is
		}
		m := b.transfer(signer, amount, 15)
		if i == 37 {
			bad = b.submit(s, m)
			continue
		}
		good = append(good, m)
		outs = append(outs, b.submit(s, m))
	}
	for i, out := range outs {
		if o := b.outcome(out); o.State != relayer.InForce {
			t.Fatalf("outcome %+v", o)
		}
		b.tookEffect(good[i], 1)
	}
	o := b.outcome(bad)
	var refusal *chain.Refusal
	if o.State != relayer.Failed || !errors.As(o.Err, &refusal) {
		t.Errorf("outcome of the refused message: %+v", o)
	}
	if stats := s.Stats(); stats.Attempts != 1 {
		t.Errorf("%+v, want the others in one transaction", stats)
	}
}

func TestSubmitter_FeeThatIsTooLowIsRaisedToWhatTheNodeDemands(t *testing.T) {
	b := newBench(t, localnet.Config{MinGasPrices: "0.002upokt"})
	s := b.submitter(tx.Options{GasPrices: "0.001upokt"})
	m := b.transfer(b.network.Suppliers[0].OperatorAddress, 3, 50)
	if o := b.outcome(b.submit(s, m)); o.State != relayer.InForce {
		t.Fatalf("outcome %+v", o)
	}
	b.tookEffect(m, 1)
	if stats := s.Stats(); stats.Refused != 1 || stats.Attempts != 2 {
		t.Errorf("%+v", stats)
	}
}

func TestSubmitter_FeeLimitEndsInFailureExceptForMandatoryMessages(t *testing.T) {
	b := newBench(t, localnet.Config{MinGasPrices: "0.1upokt"})
	s := b.submitter(tx.Options{GasPrices: "0.001upokt", MaxGasPrices: "0.01upokt"})
	signer := b.network.Suppliers[0].OperatorAddress
	optional, mandatory := b.transfer(signer, 3, 8), b.transfer(signer, 3, 30)
	mandatory.Mandatory = true
	outOptional, outMandatory := b.submit(s, optional), b.submit(s, mandatory)
	if o := b.outcome(outMandatory); o.State != relayer.InForce {
		t.Errorf("mandatory: %+v", o)
	}
	o := b.outcome(outOptional)
	var refusal *chain.Refusal
	if o.State != relayer.Failed || !errors.As(o.Err, &refusal) {
		t.Errorf("optional: %+v", o)
	}
	b.tookEffect(optional, 0)
}

func TestSubmitter_SubmissionWhileTheNodeIsDownLandsWhenItIsBack(t *testing.T) {
	b := newBench(t, localnet.Config{})
	s := b.submitter(tx.Options{CallTimeout: time.Second})
	if err := b.network.StopNode(); err != nil {
		t.Fatal(err)
	}
	m := b.transfer(b.network.Suppliers[0].OperatorAddress, 3, 500)
	out := b.submit(s, m)
	await(t, b.ctx, "the submitter has tried", func() bool { return s.Stats().Unreachable > 0 })
	if err := b.network.StartNode(); err != nil {
		t.Fatal(err)
	}
	if o := b.outcome(out); o.State != relayer.InForce {
		t.Fatalf("outcome %+v", o)
	}
	b.passes(3)
	b.tookEffect(m, 1)
}

func TestSubmitter_TransactionLostWithTheMempoolIsSentAgain(t *testing.T) {
	b := newBench(t, localnet.Config{BlockTime: 1500 * time.Millisecond})
	s := b.submitter(tx.Options{})
	m := b.transfer(b.network.Suppliers[0].OperatorAddress, 3, 500)
	out := b.submit(s, m)
	await(t, b.ctx, "it is sent", func() bool { return s.Stats().Attempts == 1 })
	if err := b.network.StopNode(); err != nil { // the mempool is in memory
		t.Fatal(err)
	}
	if err := b.network.StartNode(); err != nil {
		t.Fatal(err)
	}
	if o := b.outcome(out); o.State != relayer.InForce {
		t.Fatalf("outcome %+v", o)
	}
	b.tookEffect(m, 1)
	if n := len(m.all()); n != 1 {
		t.Errorf("%d transactions were signed, want 1", n)
	}
}

func TestSubmitter_RestartGoesOnWithTheSameTransaction(t *testing.T) {
	b := newBench(t, localnet.Config{BlockTime: 1500 * time.Millisecond})
	signer := b.network.Suppliers[0].OperatorAddress
	first := b.submitter(tx.Options{})
	sent, unsent := b.transfer(signer, 3, 100), b.transfer(signer, 3, 100)
	for _, m := range []*transfer{sent, unsent} {
		b.submit(first, m)
	}
	await(t, b.ctx, "they are sent", func() bool { return first.Stats().Attempts == 1 })
	if err := first.Stop(b.ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Submit(b.ctx, sent.Submission); !errors.Is(err, tx.ErrStopped) {
		t.Errorf("submit after stop: %v", err)
	}

	second := b.submitter(tx.Options{})
	var outs []<-chan relayer.Outcome
	for _, m := range []*transfer{sent, unsent} {
		m.Prior = m.all()
		outs = append(outs, b.submit(second, m))
	}
	for _, out := range outs {
		if o := b.outcome(out); o.State != relayer.InForce {
			t.Fatalf("outcome %+v", o)
		}
	}
	b.passes(2)
	for _, m := range []*transfer{sent, unsent} {
		b.tookEffect(m, 1)
	}
	if stats := second.Stats(); stats.Attempts != 0 {
		t.Errorf("%+v, want no new transaction", stats)
	}
}

func TestSubmitter_MessageThatNeverShowsIsGivenUpAtItsDeadlineAndSentOnce(t *testing.T) {
	b := newBench(t, localnet.Config{})
	s := b.submitter(tx.Options{})
	m := b.transfer(b.network.Suppliers[0].OperatorAddress, 3, 15)
	m.InForce = func(context.Context) (bool, error) { return false, nil }
	o := b.outcome(b.submit(s, m))
	if o.State != relayer.NotIncluded || !errors.Is(o.Err, tx.ErrDeadline) || o.Height < m.Deadline {
		t.Errorf("outcome %+v", o)
	}
	b.tookEffect(m, 1)
	attempts := m.all()
	if len(attempts) != 1 || attempts[0].Included == 0 || attempts[0].Code != 0 {
		t.Errorf("attempts %+v, want one that was seen in a block", attempts)
	}
}

func TestSubmitter_TransactionOfALapsedLifeIsFollowedByAnother(t *testing.T) {
	b := newBench(t, localnet.Config{})
	s := b.submitter(tx.Options{})
	signer := b.network.Suppliers[0].OperatorAddress
	m := b.transfer(signer, 3, 200)
	latest := b.blocks.Latest()
	// A former process has recorded a transaction that it never sent.
	m.Prior = []relayer.TxAttempt{{
		Hash: fmt.Sprintf("%064X", 1), SentHeight: latest.Height, Messages: 1,
		TimeoutHeight: latest.Height + 10, TimeoutUnixNs: latest.Time.Add(time.Hour).UnixNano(),
	}}
	o := b.outcome(b.submit(s, m))
	if o.State != relayer.InForce || o.Height <= latest.Height+10 {
		t.Errorf("outcome %+v, want one after block %d", o, latest.Height+10)
	}
	b.tookEffect(m, 1)
}
