package tx

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"cosmossdk.io/math"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// signer owns the submissions of one account. All but the inbox belongs to the
// goroutine of run.
type signer struct {
	*means
	address string
	priv    cryptotypes.PrivKey
	forget  func(key string) // ends the progress of a submission; not to be called holding mu
	wake    chan struct{}    // holds a signal that there is a block or a submission
	ended   chan struct{}    // closed by run when it returns

	mu     sync.Mutex
	inbox  []*pending // bounded by the Submitter's bound on submissions
	closed bool

	account  uint64
	known    bool // account is the account's number
	seq      sequence
	waiting  []*pending
	attempts []*attempt // those with members, oldest first
	traces   []*attempt // those without that may be in a block, oldest first; bounded
	stamps   stamps
	prices   map[bool]math.LegacyDec // of gas in upokt, by whether the messages are mandatory
	gasPer   map[string]uint64       // that a message used last, by its type, of which there are few
	purse    purse
	busy     bool          // the node takes no transactions in this step
	worked   int64         // newest block when the signer worked last
	retry    time.Duration // pause before the next retry
}

func newSigner(m *means, address string, priv cryptotypes.PrivKey, forget func(string)) *signer {
	return &signer{
		means: m, address: address, priv: priv, forget: forget,
		wake:   make(chan struct{}, 1),
		ended:  make(chan struct{}),
		stamps: make(stamps),
		prices: map[bool]math.LegacyDec{false: m.price, true: m.price},
		gasPer: make(map[string]uint64),
		purse:  newPurse(),
		retry:  firstRetry,
	}
}

// rouse signals that there is something to do.
func (g *signer) rouse() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// accept puts a submission into the inbox. It reports false if the goroutine has
// ended.
func (g *signer) accept(p *pending) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inbox = append(g.inbox, p)
	g.rouse()
	return true
}

// run is the signer's goroutine.
func (g *signer) run(ctx context.Context) error {
	defer close(g.ended)
	defer g.abandon()
	timer := time.NewTimer(lastRetry)
	timer.Stop()
	defer timer.Stop()
	lingering := false // the timer runs for submissions that wait for others
	for {
		due := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.parting:
		case <-timer.C:
			due, lingering = true, false
		case <-g.wake:
		}
		if g.isParting() {
			return g.part(ctx)
		}
		if g.collect() && !due && !lingering {
			lingering = true
			timer.Reset(g.Linger)
		}
		latest := g.blocks.Latest()
		if lingering || latest == nil || len(g.waiting)+len(g.traces) == 0 || !due && latest.Height == g.worked {
			continue
		}
		timer.Stop()
		if again := g.turn(ctx); again > 0 {
			timer.Reset(again)
		}
	}
}

// turn works once, looks transactions up, and returns how soon to work again without
// a new block, zero if there is no need.
func (g *signer) turn(ctx context.Context) time.Duration {
	latest, done, err := g.inTurn(ctx, g.step)
	if err != nil {
		return 0 // the signer is being stopped
	}
	if g.lookUp(ctx, latest) { // out of turn, for others have better to do
		return soon
	}
	if done {
		g.retry = firstRetry
		return 0
	}
	again := g.retry
	g.retry = min(2*g.retry, lastRetry)
	return again
}

// inTurn waits for the signer's turn and works with the newest block, which may have come
// during the wait.
func (g *signer) inTurn(ctx context.Context, work func(context.Context, *relayer.Block) bool) (
	latest *relayer.Block, done bool, err error,
) {
	if err := g.turns.Acquire(ctx, 1); err != nil {
		return nil, false, err
	}
	defer g.turns.Release(1)
	latest = g.blocks.Latest()
	g.worked = latest.Height
	return latest, work(ctx, latest), nil
}

// collect moves the inbox to the submissions in hand.
func (g *signer) collect() (arrived bool) {
	for p := g.pop(); p != nil; p = g.pop() {
		arrived = true
		if err := p.invalid(); err != nil {
			g.waiting = slices.DeleteFunc(g.waiting, func(other *pending) bool { return other == p })
			g.finish(p, relayer.Outcome{State: relayer.Failed, Height: g.height(), Err: fmt.Errorf("%s: %w", p.sub.Key, err)})
			continue
		}
		g.adopt(p)
	}
	return arrived
}

// pop moves the oldest submission of the inbox to those in hand and returns it, nil if
// there is none. At no time is a submission in neither.
func (g *signer) pop() *pending {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.inbox) == 0 {
		return nil
	}
	p := g.inbox[0]
	g.inbox[0], g.inbox = nil, g.inbox[1:]
	g.waiting = append(g.waiting, p)
	return p
}

// height returns that of the newest block, 0 before the first.
func (g *signer) height() int64 {
	if latest := g.blocks.Latest(); latest != nil {
		return latest.Height
	}
	return 0
}

// finish ends a submission.
func (g *signer) finish(p *pending, outcome relayer.Outcome) {
	for _, a := range p.attempts {
		a.drop(p)
	}
	p.attempts, p.ended = nil, true
	switch outcome.State {
	case relayer.InForce:
		g.counters.inForce.Add(1)
		if p.sentAt > 0 {
			g.counters.delayed(outcome.Height - p.sentAt)
		}
	case relayer.Failed:
		g.counters.failed.Add(1)
	case relayer.NotIncluded:
		g.counters.notIncluded.Add(1)
	case relayer.Unprofitable:
		g.counters.unprofitable.Add(1)
	}
	if outcome.Err != nil {
		g.Logger.Error("message is not on chain", "supplier", g.address, "key", p.sub.Key,
			"state", outcome.State, "height", outcome.Height, "error", outcome.Err)
	}
	g.forget(p.sub.Key)
	p.out <- outcome
	close(p.out)
}

// abandon closes the channels of what is left when the signer ends.
func (g *signer) abandon() {
	g.mu.Lock()
	g.closed = true
	left := append(g.waiting, g.inbox...)
	g.waiting, g.inbox = nil, nil
	g.mu.Unlock()
	if g.seq.ordered {
		g.counters.ordered.Add(-1)
	}
	for _, p := range left {
		g.forget(p.sub.Key)
		close(p.out)
	}
}

// nextTimeout returns a timeout timestamp for a new transaction. The jitter keeps
// two processes with one key, and one before and after a restart, apart.
func (g *signer) nextTimeout(latest *relayer.Block) int64 {
	jitter := time.Duration(rand.Int64N(int64(time.Second)))
	return g.stamps.next(latest.Time, g.Life, jitter)
}

const (
	// firstRetry and lastRetry bound the pause before a call that got no answer
	// is made again without waiting for the next block.
	firstRetry = time.Second
	lastRetry  = 10 * time.Second
	// soon is the pause before messages that a transaction gave back travel again.
	soon = time.Millisecond
)
