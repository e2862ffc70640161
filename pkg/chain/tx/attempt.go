package tx

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// attempt is a signed transaction and the submissions whose messages it carries.
// It is owned by its signer's goroutine.
type attempt struct {
	rec     relayer.TxAttempt
	members []*pending

	sentAt   int64 // newest block when it was sent last, 0 if not yet by this process
	taken    bool  // a node may have it, for all that is known
	searched int64 // last block that was searched for it

	carries    map[digest]bool // its messages, if a former process has made it
	unrecorded bool            // a member has no record of it yet, so it must not be sent
	mute       bool            // it must not be sent
	short      bool            // its fee is all that its signer had left, and below the price
	superseded bool            // the process that made it gave it up
}

// join enters a submission in the attempt.
func (a *attempt) join(p *pending) {
	if a.has(p) {
		return
	}
	a.members = append(a.members, p)
	p.attempts = append(p.attempts, a)
}

func (a *attempt) has(p *pending) bool { return slices.Contains(a.members, p) }

// record makes what is known about the attempt durable with every member. The
// members are told at the same time, so that they share the wait for a disk.
func (a *attempt) record(atOnce int) error {
	failed := make([]error, len(a.members))
	each(atOnce, len(a.members), func(i int) {
		p := a.members[i]
		if err := p.sub.Record(a.rec); err != nil {
			failed[i] = fmt.Errorf("record attempt %s of %s: %w", a.rec.Hash, p.sub.Key, err)
		}
	})
	return errors.Join(failed...)
}

// release gives the messages back. Where the transaction may have been included
// without being seen, the state must reach height before its word counts.
func (a *attempt) release(fence int64) {
	for _, p := range a.members {
		p.leave(a)
		p.fence = max(p.fence, fence)
	}
	a.members = nil
}

// drop takes a submission that has ended out of the attempt.
func (a *attempt) drop(p *pending) {
	a.members = slices.DeleteFunc(a.members, func(member *pending) bool { return member == p })
}

// search looks for the attempt in the blocks since the last search. It reports
// whether it was found in one.
func (g *signer) search(ctx context.Context, a *attempt, height int64) (found bool, err error) {
	if a.rec.Included > 0 || a.searched >= height {
		return false, nil
	}
	hash, err := hex.DecodeString(a.rec.Hash)
	if err != nil {
		return false, fmt.Errorf("attempt %q: %w", a.rec.Hash, err)
	}
	ctx, cancel := g.bounded(ctx)
	defer cancel()
	result, found, err := g.node.FindTx(ctx, hash, a.searched+1, height)
	if err != nil {
		return false, fmt.Errorf("look for attempt %s: %w", a.rec.Hash, err)
	}
	a.searched = height
	if found {
		g.included(a, result)
	}
	return found, nil
}

// included notes that an attempt is in a block, and gives the messages back if it
// had no effect there.
func (g *signer) included(a *attempt, result chain.TxResult) {
	a.rec.Included, a.rec.Code, a.rec.Codespace = result.Height, result.Code, result.Codespace
	a.rec.TxBytes = nil // never to be sent again
	g.counters.feesUpokt.Add(uint64(max(a.rec.FeeUpokt, 0)))
	if result.Code == 0 {
		g.counters.included.Add(1)
		g.note(a)
		return
	}
	g.counters.includedFailed.Add(1)
	refusal := &chain.Refusal{Codespace: result.Codespace, Code: result.Code, Log: result.Log}
	a.rec.Error = result.Log
	g.Logger.Warn("transaction was included without effect", "supplier", g.address, "tx", a.rec.Hash,
		"height", result.Height, "messages", len(a.members), "error", refusal)
	g.note(a)
	for _, p := range a.members {
		p.blame(refusal, a.rec.Messages)
	}
	a.release(0)
}

// blame notes that a transaction with the message failed. Its next one is
// smaller, until the message is alone and the failure its own.
func (p *pending) blame(refusal *chain.Refusal, messages int) {
	p.refusal = refusal
	if errors.Is(refusal, sdkerrors.ErrOutOfGas) {
		p.gas *= moreGas
	}
	p.limit = max(messages/2, 1)
	if messages > 1 {
		return
	}
	if p.failures++; p.failures >= maxFailures {
		p.fatal = refusal
	}
}

// note records what was learned. If that fails the knowledge is lost at a
// restart, which then learns it again.
func (g *signer) note(a *attempt) {
	if err := a.record(g.CallsAtOnce); err != nil {
		g.Logger.Error("cannot record what became of a transaction", "supplier", g.address, "error", err)
	}
}
