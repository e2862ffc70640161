package tx

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Looking transactions up serves the record, and tells early when one was included
// without effect. Nothing that counts depends on it: what is in force is the state's
// to say, and what cannot be included any more the rules'. So it comes last in a
// step, has one budget there for all attempts, and rests when it is not answered.

const (
	// maxRest bounds the blocks between two rounds of lookups that fail.
	maxRest = 16
	// maxTraces bounds the attempts that are looked for though nobody waits for them.
	// The oldest go first: their records then do not say which block they are in.
	maxTraces = 256
	// traceBlocks is for how many blocks such an attempt is looked for.
	traceBlocks = 16
)

// lookups is how willingly the node answers lookups, as all signers have found out.
type lookups struct {
	mu    sync.Mutex
	rest  int64 // blocks to wait after the next failure
	until int64 // height before which nobody looks
}

// due reports whether the node may be asked at height.
func (l *lookups) due(height int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return height >= l.until
}

// note notes whether a round of lookups at height was answered.
func (l *lookups) note(height int64, answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answered {
		l.rest, l.until = 0, 0
		return
	}
	l.rest = min(max(2*l.rest, 1), maxRest)
	l.until = max(l.until, height+l.rest)
}

// lookUp looks for the attempts whose fate is not known in the blocks since they
// were looked for last, as far as its budget goes. It reports whether messages were
// given back.
func (g *signer) lookUp(ctx context.Context, latest *relayer.Block) (gaveBack bool) {
	gaveBack = g.searchAll(ctx, latest)
	gaveBack = g.releaseUsed(latest) || gaveBack
	g.retire(latest)
	return gaveBack
}

// searchAll looks for the attempts until the budget is spent.
func (g *signer) searchAll(ctx context.Context, latest *relayer.Block) (gaveBack bool) {
	wanted := g.wanted(latest)
	if len(wanted) == 0 || !g.lookups.due(latest.Height) {
		return false
	}
	budget, cancel := context.WithTimeout(ctx, g.LookupBudget)
	defer cancel()
	var failed error
	answered := false
	for _, a := range wanted {
		members := len(a.members)
		err := g.search(budget, a, latest.Height)
		answered = answered || err == nil
		gaveBack = gaveBack || len(a.members) < members
		if err != nil {
			failed = err
		}
		if budget.Err() != nil {
			break
		}
	}
	g.lookups.note(latest.Height, answered && budget.Err() == nil)
	if failed != nil {
		g.silent(ctx, "cannot look transactions up, which delays nothing", failed)
	}
	return gaveBack
}

// wanted returns the attempts to look for, those first that have messages.
func (g *signer) wanted(latest *relayer.Block) []*attempt {
	var wanted []*attempt
	for _, a := range slices.Concat(g.attempts, g.traces) {
		if a.taken && a.rec.Included == 0 && a.searched < latest.Height {
			wanted = append(wanted, a)
		}
	}
	return wanted
}

// retire drops the attempts that no message is left in. One that may be in a block
// is still looked for.
func (g *signer) retire(latest *relayer.Block) {
	g.attempts = slices.DeleteFunc(g.attempts, func(a *attempt) bool {
		if len(a.members) > 0 {
			return false
		}
		if a.taken && a.rec.Included == 0 && a.rec.Code == 0 {
			a.retired = latest.Height
			g.traces = append(g.traces, a)
		}
		return true
	})
	g.traces = slices.DeleteFunc(g.traces, func(a *attempt) bool {
		alive := g.alive(a, latest)
		searched, late := a.searched >= latest.Height, latest.Height >= a.retired+traceBlocks
		// The number of one that can be included is not to be given to another.
		return a.rec.Included > 0 || !alive && searched || late && !(alive && a.rec.Ordered)
	})
	if excess := len(g.traces) - maxTraces; excess > 0 {
		g.traces = slices.Delete(g.traces, 0, excess)
	}
}

// search looks for the attempt in the blocks since the last search.
func (g *signer) search(ctx context.Context, a *attempt, height int64) error {
	hash, err := hex.DecodeString(a.rec.Hash)
	if err != nil {
		return fmt.Errorf("attempt %q: %w", a.rec.Hash, err)
	}
	result, found, err := g.node.FindTx(ctx, hash, a.searched+1, height)
	if err != nil {
		return fmt.Errorf("look for attempt %s: %w", a.rec.Hash, err)
	}
	a.searched = height
	refusal := &chain.Refusal{Codespace: result.Codespace, Code: result.Code, Log: result.Log}
	// One whose turn it was not has left its number unused, so it may come again.
	if found && judge(refusal) != sequenceWrong {
		g.included(a, result.Height, refusal)
	}
	return nil
}

// included notes that an attempt is in a block, and gives the messages back if it
// had no effect there, which the code says.
func (g *signer) included(a *attempt, height int64, refusal *chain.Refusal) {
	a.rec.Included, a.rec.Code, a.rec.Codespace = height, refusal.Code, refusal.Codespace
	a.rec.TxBytes = nil // never to be sent again
	late := tooLateForBlock(refusal)
	if !late {
		g.counters.feesUpokt.Add(uint64(max(a.rec.FeeUpokt, 0)))
	}
	if refusal.Code == 0 {
		g.counters.included.Add(1)
		g.note(a)
		return
	}
	g.counters.includedFailed.Add(1)
	g.counters.refusal(refusal)
	a.rec.Error = refusal.Log
	g.Logger.Warn("transaction was included without effect", "supplier", g.address, "tx", a.rec.Hash,
		"height", height, "messages", len(a.members), "error", refusal)
	g.note(a)
	for _, p := range a.members {
		if !late {
			p.blame(refusal, a.rec.Messages)
		}
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

// note records what was learned with every submission that the attempt has carried,
// also with those that have ended. If that fails the knowledge is lost at a restart,
// which then learns it again.
func (g *signer) note(a *attempt) {
	var open, ended []*pending
	for _, p := range a.carried {
		if p.ended {
			ended = append(ended, p)
			continue
		}
		open = append(open, p)
	}
	if err := a.record(g.CallsAtOnce, open); err != nil {
		g.Logger.Error("cannot record what became of a transaction", "supplier", g.address, "error", err)
	}
	if err := a.record(g.CallsAtOnce, ended); err != nil { // its owner may have dropped it
		g.Logger.Debug("cannot record what became of the transaction of a message that has ended",
			"supplier", g.address, "error", err)
	}
}
