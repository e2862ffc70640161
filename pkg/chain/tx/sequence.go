package tx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Where the chain refuses unordered transactions those of a signer have sequence
// numbers, each used by one transaction at most (x/auth/ante:
// SigVerificationDecorator). That makes them depend on each other: one can only be
// included when those before it were. So none outlives one before it, a number is
// given to another transaction only when the first cannot be included any more, and a
// new one waits until the node has those before it.

// orderedBlocks bounds for how many blocks a transaction with a sequence number can be
// included, so that one which is stuck does not hold up the others for long.
const orderedBlocks = 6

// sequence is what a signer knows about the sequence of its account. The zero value is
// that of one whose transactions are unordered.
type sequence struct {
	ordered bool   // transactions have sequence numbers, for the chain refuses others
	known   bool   // next and height are
	next    uint64 // the least number that was not used in the state at height
	height  int64
	asked   int64 // newest block when the node was asked last why it refuses a simulation
	// stuck is its answer if that was that another transaction comes first.
	stuck *chain.Refusal
}

// note notes the sequence of the account, read from the state at height or before it.
func (s *sequence) note(next uint64, height int64) {
	if !s.known || next > s.next {
		s.known, s.next, s.height = true, next, height
	}
}

// used reports whether an attempt has a number that was used, by itself or by another.
func (s *sequence) used(a relayer.TxAttempt) bool {
	return a.Ordered && s.known && a.Sequence < s.next
}

// errPredecessor says that a transaction has to wait for the one before it.
var errPredecessor = errors.New("waits for the transaction before it")

// alive reports whether an attempt can be included in a block after latest, for all
// that is known.
func (g *signer) alive(a *attempt, latest *relayer.Block) bool {
	return canLand(a.rec, latest) && !g.seq.used(a.rec)
}

// needsSequence reports whether it matters which sequence numbers were used.
func (g *signer) needsSequence() bool {
	return g.seq.ordered || slices.ContainsFunc(g.attempts, func(a *attempt) bool { return a.rec.Ordered })
}

// askAccount asks for the signer's account, and keeps its number.
func (g *signer) askAccount(ctx context.Context) (sequence uint64, err error) {
	ctx, cancel := g.bounded(ctx)
	defer cancel()
	account, err := g.node.Account(ctx, g.address)
	if err != nil {
		return 0, err
	}
	g.account, g.known = account.Number, true
	return account.Sequence, nil
}

// askSequence asks for the sequence of the account if it matters.
func (g *signer) askSequence(ctx context.Context) (next uint64, asked bool) {
	if !g.needsSequence() {
		return 0, false
	}
	next, err := g.askAccount(ctx)
	if err != nil {
		g.silent(ctx, "sequence of the signer's account cannot be asked for", err)
	}
	return next, err == nil
}

// learnAccount makes sure that what a signature needs is known.
func (g *signer) learnAccount(ctx context.Context) error {
	switch {
	case g.seq.ordered && !g.seq.known:
		return g.learnSequence(ctx)
	case !g.known:
		_, err := g.askAccount(ctx)
		return err
	}
	return nil
}

// learnSequence asks for the sequence of the account, and then for the height of a
// state that is as new or newer.
func (g *signer) learnSequence(ctx context.Context) error {
	next, err := g.askAccount(ctx)
	if err != nil {
		return err
	}
	height, err := g.stateHeight(ctx)
	if err != nil {
		return err
	}
	g.seq.note(next, height)
	return nil
}

// relearnSequence asks for the sequence of the account again, which is wrong.
func (g *signer) relearnSequence(ctx context.Context) {
	if err := g.learnSequence(ctx); err != nil {
		g.silent(ctx, "sequence of the signer's account cannot be asked for", err)
	}
}

// lineage returns the attempts with sequence numbers that can still be included.
func (g *signer) lineage(latest *relayer.Block) []*attempt {
	var alive []*attempt
	for _, a := range slices.Concat(g.attempts, g.traces) {
		if a.rec.Ordered && g.alive(a, latest) {
			alive = append(alive, a)
		}
	}
	return alive
}

// enqueue gives a transaction the next sequence number, behind those under way. The
// error wraps errPredecessor if the node may not have one of those.
func (g *signer) enqueue(d *draft, latest *relayer.Block) error {
	d.ordered, d.sequence = true, g.nextSequence(latest)
	d.timeoutHeight = min(d.timeoutHeight, latest.Height+orderedBlocks)
	for _, a := range g.lineage(latest) {
		if len(a.members) > 0 && a.sentAt < latest.Height {
			return fmt.Errorf("%w: %s with sequence %d", errPredecessor, a.rec.Hash, a.rec.Sequence)
		}
		d.timeoutHeight = min(d.timeoutHeight, a.rec.TimeoutHeight)
	}
	return nil
}

// nextSequence returns the number of the transaction after those under way.
func (g *signer) nextSequence(latest *relayer.Block) uint64 {
	next := g.seq.next
	for _, a := range g.lineage(latest) {
		next = max(next, a.rec.Sequence+1)
	}
	return next
}

// releaseUsed gives back the messages of attempts whose number was used, though the
// state does not show their effect: they were included without effect, or another
// process has used the number. Where a node had it and the block was not found they travel
// in smaller transactions, for one of them may be to blame.
func (g *signer) releaseUsed(latest *relayer.Block) (gaveBack bool) {
	for _, a := range g.attempts {
		if len(a.members) == 0 || a.rec.Included > 0 || a.rec.Code != 0 || !g.seq.used(a.rec) {
			continue
		}
		gaveBack = true
		g.Logger.Warn("sequence of a transaction was used and its effect does not show", "supplier", g.address,
			"tx", a.rec.Hash, "sequence", a.rec.Sequence, "height", g.seq.height)
		if a.taken && a.searched < latest.Height {
			for _, p := range a.members {
				p.limit = max(a.rec.Messages/2, 1)
			}
		}
		a.release(g.seq.height)
	}
	return gaveBack
}

// useSequences makes the signer's transactions have sequence numbers from now on.
func (g *signer) useSequences(refusal *chain.Refusal) {
	if g.seq.ordered {
		return
	}
	g.seq.ordered = true
	g.counters.ordered.Add(1)
	g.Logger.Warn("chain refuses unordered transactions: they get sequence numbers", "supplier", g.address, "error", refusal)
}

// relearn finds out, when the simulation of a batch was refused, whether that is about
// the transaction and not its messages, which the refusal does not tell. It asks once
// per block. It reports whether another simulation may pass, and returns the refusal
// if none can before the next block.
func (g *signer) relearn(ctx context.Context, latest *relayer.Block, txBytes []byte) (again bool, stuck *chain.Refusal) {
	if g.seq.asked == latest.Height {
		return false, g.seq.stuck
	}
	g.seq.asked, g.seq.stuck = latest.Height, nil
	callCtx, cancel := g.bounded(ctx)
	defer cancel()
	refusal, err := g.node.Explain(callCtx, txBytes)
	switch {
	case err != nil:
		g.silent(ctx, "cannot ask why a simulation is refused", err)
	case refusal == nil:
	case judge(refusal) == orderRequired && !g.seq.ordered:
		g.useSequences(refusal)
		return g.learnAccount(ctx) == nil, nil
	case judge(refusal) == sequenceWrong:
		before := g.seq.next
		if g.learnSequence(ctx) == nil && g.seq.next > before {
			return true, nil
		}
		g.seq.stuck = refusal
	}
	return false, g.seq.stuck
}
