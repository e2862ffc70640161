package tx

import (
	"context"
	"errors"

	"cosmossdk.io/math"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// errBusy says that the node takes no transactions now.
var errBusy = errors.New("the node's mempool is full")

// refused deals with an attempt that the only node it was sent to refuses.
func (g *signer) refused(ctx context.Context, a *attempt, refusal *chain.Refusal, height int64) (done bool) {
	g.counters.refusal(refusal)
	verdict := judge(refusal)
	if verdict == nodeBusy {
		g.busy = true
		g.Logger.Warn("node takes no transactions now", "supplier", g.address, "tx", a.rec.Hash, "error", refusal)
		return false
	}
	a.rec.Code, a.rec.Codespace, a.rec.Error = refusal.Code, refusal.Codespace, refusal.Log
	size := len(a.rec.TxBytes)
	a.rec.TxBytes = nil // never to be sent again
	g.Logger.Warn("transaction was refused", "supplier", g.address, "tx", a.rec.Hash,
		"messages", len(a.members), "fee_upokt", a.rec.FeeUpokt, "error", refusal)
	g.note(a)
	members := a.members
	a.release(0)
	for _, p := range members {
		p.refusal, p.heldTill = refusal, height+1
	}
	switch verdict {
	case feeTooLow:
		if !a.short {
			g.raisePrice(ctx, members[0].sub.Mandatory)
		}
	case tooLarge:
		g.limits.refused(&a.rec, size, refusal)
		for _, p := range members {
			p.limit, p.heldTill = max(len(members)/2, 1), 0
		}
		if len(members) == 1 {
			members[0].fatal = refusal
		}
		return false
	case accountUnknown:
		g.known = false
	case orderRequired:
		if !a.rec.Ordered {
			g.useSequences(refusal)
		}
		g.relearnSequence(ctx)
	case sequenceWrong:
		g.relearnSequence(ctx)
	}
	return true
}

// outbid notes that nodes demand more meanwhile than an attempt under way pays, which may
// still be included where they do not. Only when its time is over its messages travel
// again, for a higher fee.
func (g *signer) outbid(ctx context.Context, a *attempt, refusal *chain.Refusal) {
	for _, p := range a.members {
		p.unpaid = refusal
	}
	if a.outbid || a.short {
		return
	}
	a.outbid = true
	g.counters.refusal(refusal)
	g.Logger.Warn("nodes demand more than a transaction under way pays", "supplier", g.address, "tx", a.rec.Hash,
		"fee_upokt", a.rec.FeeUpokt, "timeout_height", a.rec.TimeoutHeight, "error", refusal)
	g.raisePrice(ctx, a.members[0].sub.Mandatory)
}

// raisePrice makes the price of gas what the node demands, within the limit.
func (g *signer) raisePrice(ctx context.Context, mandatory bool) {
	callCtx, cancel := g.bounded(ctx)
	defer cancel()
	demanded, err := g.node.MinGasPrice(callCtx)
	if err != nil {
		g.silent(ctx, "cannot ask for the minimum gas price", err)
		demanded = math.LegacyZeroDec()
	}
	limit := g.maxPrice
	if mandatory {
		limit = math.LegacyDec{}
	}
	price, ok := raise(g.prices[mandatory], demanded, limit)
	if !ok {
		g.Logger.Error("gas price is at its limit and too low", "supplier", g.address, "price", g.prices[mandatory], "demanded", demanded)
		return
	}
	g.Logger.Warn("gas price is raised", "supplier", g.address, "from", g.prices[mandatory], "to", price)
	g.prices[mandatory] = price
}
