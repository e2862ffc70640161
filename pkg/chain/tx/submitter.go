package tx

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"cosmossdk.io/math"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	"golang.org/x/sync/semaphore"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Node is what a Submitter needs of the chain. *chain.Node implements it.
type Node interface {
	// ChainID returns the id of the chain that signatures are for.
	ChainID() string
	// StateHeight returns the height of the state that InForce is answered from.
	StateHeight(ctx context.Context) (int64, error)
	// Account returns number and sequence of an account.
	Account(ctx context.Context, address string) (chain.Account, error)
	// Simulate returns the gas that a transaction uses, or a *chain.Refusal.
	Simulate(ctx context.Context, txBytes []byte) (gasUsed uint64, err error)
	// Explain returns why a transaction is refused that Simulate refuses, with
	// codespace and code; nil if it is not refused.
	Explain(ctx context.Context, txBytes []byte) (*chain.Refusal, error)
	// BlockLimits returns the limits of blocks.
	BlockLimits(ctx context.Context) (chain.BlockLimits, error)
	// MinGasPrice returns the least gas price in upokt that the node takes.
	MinGasPrice(ctx context.Context) (math.LegacyDec, error)
	// Broadcast sends a transaction. The error is a *chain.Refusal, or wraps
	// chain.ErrNotSent, if it is not in the node's mempool for certain.
	Broadcast(ctx context.Context, txBytes []byte) error
	// FindTx looks for a transaction in the blocks from one height to another.
	FindTx(ctx context.Context, hash []byte, from, to int64) (result chain.TxResult, found bool, err error)
}

var _ Node = (*chain.Node)(nil)

// Keys holds the private keys of signers. *chain.Keys implements it.
type Keys interface {
	// Signer returns the key of a bech32 address.
	Signer(address string) (cryptotypes.PrivKey, bool)
}

var _ Keys = (*chain.Keys)(nil)

// Errors with which a submission is not accepted.
var (
	// ErrStopped says that the submitter was stopped.
	ErrStopped = errors.New("submitter is stopped")
	// ErrInProgress says that a submission with the same key is in progress.
	ErrInProgress = errors.New("submission is in progress already")
	// ErrFull says that the bound on submissions in progress is reached.
	ErrFull = errors.New("too many submissions in progress")
	// ErrInvalidSubmission says that a submission lacks something.
	ErrInvalidSubmission = errors.New("invalid submission")
	// ErrNoKey says that the signer's key is not there.
	ErrNoKey = errors.New("no key of signer")
)

// Submitter brings messages on chain. It implements relayer.TxSubmitter and may
// be used concurrently. The owner calls Stop when done with it.
type Submitter struct {
	*means
	keys  Keys
	group *async.Group

	mu       sync.Mutex
	stopped  bool
	signers  map[string]*signer
	progress map[string]struct{} // keys of submissions without outcome
}

var _ relayer.TxSubmitter = (*Submitter)(nil)

// means is what all signers work with.
type means struct {
	settings
	node     Node
	blocks   relayer.BlockSource
	turns    *semaphore.Weighted // of signers that talk to the node
	counters counters
	lookups  lookups
	limits   limits
	// parting is closed by Stop: from then on signers only follow what is under way.
	parting chan struct{}
}

// reportFailure tells of a goroutine that has ended in a way that no one foresaw. A
// signer's is started anew with the next submission.
func (s settings) reportFailure(name string, err error) {
	s.Logger.Error("goroutine of the submitter failed", "goroutine", name, "error", err)
	if async.GaveUp(err) {
		s.OnFailure(fmt.Errorf("submitter: %w", err))
	}
}

// bounded returns a context for one call.
func (m *means) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, m.CallTimeout)
}

// NewSubmitter returns a submitter that works with every block of blocks and
// signs with keys. The error wraps ErrOptions.
func NewSubmitter(node Node, blocks relayer.BlockSource, keys Keys, opts Options) (*Submitter, error) {
	if node == nil || blocks == nil || keys == nil {
		return nil, fmt.Errorf("%w: node, blocks and keys are required", ErrOptions)
	}
	set, err := opts.complete()
	if err != nil {
		return nil, err
	}
	s := &Submitter{
		means: &means{
			settings: set, node: node, blocks: blocks, turns: semaphore.NewWeighted(int64(set.Concurrency)),
			parting: make(chan struct{}),
		},
		keys:     keys,
		group:    async.NewGroup(context.Background(), async.OnFailure(set.reportFailure)),
		signers:  make(map[string]*signer),
		progress: make(map[string]struct{}),
	}
	for name, f := range map[string]func(context.Context, *relayer.Block){
		"submitter blocks": func(context.Context, *relayer.Block) { s.wakeAll() },
		"submitter limits": func(ctx context.Context, b *relayer.Block) { s.learnLimits(ctx, b.Height) },
	} {
		work := func(ctx context.Context) error { return relayer.FollowBlocks(ctx, s.blocks, name, f) }
		if err := s.group.Supervise(name, async.Restart{}, work); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Submitter) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.signers {
		g.rouse()
	}
}

// Submit implements relayer.TxSubmitter. The error wraps ErrStopped,
// ErrInProgress, ErrFull, ErrNoKey or ErrInvalidSubmission. Whether the message
// is in force already is asked before anything is sent, so a submission may be
// repeated.
func (s *Submitter) Submit(ctx context.Context, submission *relayer.Submission) (<-chan relayer.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("submit: %w", err)
	}
	if err := checkSubmission(submission); err != nil {
		return nil, err
	}
	p, err := newPending(submission)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, fmt.Errorf("submit %s: %w", submission.Key, ErrStopped)
	}
	if _, ok := s.progress[submission.Key]; ok {
		return nil, fmt.Errorf("submit %s: %w", submission.Key, ErrInProgress)
	}
	if len(s.progress) >= s.MaxPending {
		return nil, fmt.Errorf("submit %s: %w: %d", submission.Key, ErrFull, s.MaxPending)
	}
	if err := s.hand(p); err != nil {
		return nil, fmt.Errorf("submit %s: %w", submission.Key, err)
	}
	s.progress[submission.Key] = struct{}{}
	return p.out, nil
}

func checkSubmission(sub *relayer.Submission) error {
	switch {
	case sub == nil:
		return fmt.Errorf("%w: nil", ErrInvalidSubmission)
	case sub.Key == "":
		return fmt.Errorf("%w: no key", ErrInvalidSubmission)
	case sub.Signer == "" || sub.Msg == nil || sub.InForce == nil || sub.Record == nil:
		return fmt.Errorf("%w: %s lacks signer, message, InForce or Record", ErrInvalidSubmission, sub.Key)
	case sub.Deadline < 1:
		return fmt.Errorf("%w: %s has deadline %d", ErrInvalidSubmission, sub.Key, sub.Deadline)
	}
	return nil
}

// hand gives a submission to its signer, and starts the signer's goroutine if
// there is none, or none any more because it panicked. s.mu is held.
func (s *Submitter) hand(p *pending) error {
	address := p.sub.Signer
	if g, ok := s.signers[address]; ok && g.accept(p) {
		return nil
	}
	priv, ok := s.keys.Signer(address)
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoKey, address)
	}
	g := newSigner(s.means, address, priv, s.forget)
	g.accept(p)
	if err := s.group.Go("signer "+address, g.run); err != nil {
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	s.signers[address] = g
	return nil
}

// forget ends the progress of a submission. Signers call it holding no lock.
func (s *Submitter) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.progress, key)
}

// Stats returns a snapshot.
func (s *Submitter) Stats() Stats {
	s.mu.Lock()
	signers, pending := len(s.signers), len(s.progress)
	s.mu.Unlock()
	stats := s.counters.snapshot()
	stats.Signers, stats.Pending = signers, pending
	stats.Unordered = max(signers-int(s.counters.ordered.Load()), 0)
	return stats
}
