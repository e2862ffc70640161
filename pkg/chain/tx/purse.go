package tx

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/math"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Errors about fees.
var (
	// ErrBalance says that a signer's balance does not pay a transaction's fee.
	ErrBalance = errors.New("balance does not pay the fee")
	// ErrPenalty says that a mandatory message costs more than the penalty for its want.
	ErrPenalty = errors.New("fee is larger than the penalty")
	// ErrUnprofitable says that a message's share of the fee is more than it earns.
	ErrUnprofitable = errors.New("fee is more than the message earns")
)

// Balances tells what signers can pay. *chain.Queries implements it.
type Balances interface {
	// Balance returns the spendable upokt of an account as of the newest block.
	Balance(ctx context.Context, address string) (math.Int, error)
}

// ample is the Balances of who does not ask: every fee can be paid.
type ample struct{}

func (ample) Balance(context.Context, string) (math.Int, error) {
	return math.NewIntFromUint64(1 << 63), nil
}

// purse is what a signer can pay, as of one step.
type purse struct {
	asked bool
	left  math.Int      // upokt, without the fees of what is under way; nil if not known
	short map[bool]bool // whether the last fee was too much, by whether the messages are mandatory
}

func newPurse() purse { return purse{short: make(map[bool]bool)} }

// forget makes the next question one to the chain.
func (p *purse) forget() { p.asked, p.left = false, math.Int{} }

// pay takes a fee out.
func (p *purse) pay(fee int64) {
	if !p.left.IsNil() {
		p.left = p.left.SubRaw(fee)
	}
}

// bill is what a transaction costs.
type bill struct {
	gas   uint64
	fee   math.Int // upokt
	short bool     // the fee is what is left, and less than the price asks for
}

func (g *signer) billOf(each group) (bill, error) {
	gas, err := g.gasOf(each)
	if err != nil {
		return bill{}, err
	}
	fee, err := feeFor(gas, g.prices[each.mandatory()])
	return bill{gas: gas, fee: fee}, err
}

// balance returns what the signer can still pay. A chain that cannot be asked
// says nothing about that, and what is known is false.
func (g *signer) balance(ctx context.Context, latest *relayer.Block) (left math.Int, known bool) {
	if g.purse.asked {
		return g.purse.left, !g.purse.left.IsNil()
	}
	g.purse.asked = true
	callCtx, cancel := g.bounded(ctx)
	defer cancel()
	left, err := g.Balances.Balance(callCtx, g.address)
	if err != nil {
		g.silent(ctx, "cannot ask for the balance of the signer", err)
		return math.Int{}, false
	}
	for _, a := range g.attempts {
		if g.alive(a, latest) {
			left = left.SubRaw(a.rec.FeeUpokt)
		}
	}
	g.purse.left = math.MaxInt(left, math.ZeroInt())
	return g.purse.left, true
}

// afford returns those of the submissions whose transaction can be paid for, and
// what it costs. Where the balance is too low, none are left unless they are
// mandatory: what it still holds is for those. Of these it returns as many as the
// balance pays for, and one at least, for which all that is left is offered. The
// others are held until the next block.
func (g *signer) afford(ctx context.Context, latest *relayer.Block, each group) (group, bill, error) {
	each, cost, err := g.profitable(ctx, latest, each)
	if err != nil || len(each.members) == 0 || cost.fee.IsZero() {
		return each, cost, err
	}
	if penalty, known := each.penalty(); known && cost.fee.GT(penalty) {
		unpaid(each.members, fmt.Errorf("%w: %s upokt for %s", ErrPenalty, cost.fee, penalty), latest.Height)
		return group{}, bill{}, nil
	}
	left, known := g.balance(ctx, latest)
	if !known {
		return each, cost, nil
	}
	enough := cost.fee.LTE(left)
	g.tellShort(latest, each, cost.fee, left, !enough)
	if enough {
		return each, cost, nil
	}
	reason := fmt.Errorf("%w: %s upokt left, %s needed", ErrBalance, left, cost.fee)
	if !each.mandatory() {
		unpaid(each.members, reason, latest.Height)
		return group{}, bill{}, nil
	}
	// Less than all, for left is less than the fee of all.
	n := max(int(left.MulRaw(int64(len(each.members))).Quo(cost.fee).Int64()), 1)
	unpaid(each.members[n:], reason, latest.Height)
	return g.reduced(ctx, latest, each.members[:n], left)
}

// profitable returns those of the submissions that earn their share of the fee, and
// what their transaction costs. The others are held: at the next block more may share
// the transaction, or the price be lower.
func (g *signer) profitable(ctx context.Context, latest *relayer.Block, each group) (group, bill, error) {
	for {
		cost, err := g.billOf(each)
		if err != nil {
			return group{}, bill{}, err
		}
		share := cost.fee.QuoRaw(int64(len(each.members)))
		var kept []*pending
		for _, p := range each.members {
			worth := p.sub.WorthUpokt
			if p.sub.Mandatory || worth <= 0 || share.LTE(math.NewInt(worth)) {
				kept = append(kept, p)
				continue
			}
			unpaid([]*pending{p}, fmt.Errorf("%w: %s upokt for %d", ErrUnprofitable, share, worth), latest.Height)
		}
		if len(kept) == len(each.members) {
			return each, cost, nil
		}
		if len(kept) == 0 {
			return group{}, bill{}, nil
		}
		used, err := g.simulateTx(ctx, latest, kept)
		if err != nil {
			return group{}, bill{}, fmt.Errorf("simulate what is profitable: %w", err)
		}
		each = group{kept, used}
	}
}

// penalty returns what not sending mandatory messages costs in upokt. It is not known for
// others, nor where it is not known for one.
func (e group) penalty() (upokt math.Int, known bool) {
	upokt = math.ZeroInt()
	for _, p := range e.members {
		if !p.sub.Mandatory || p.sub.PenaltyUpokt <= 0 {
			return upokt, false
		}
		upokt = upokt.AddRaw(p.sub.PenaltyUpokt)
	}
	return upokt, true
}

// reduced returns what a transaction of fewer submissions costs, which is left at
// most.
func (g *signer) reduced(ctx context.Context, latest *relayer.Block, members []*pending, left math.Int) (group, bill, error) {
	used, err := g.simulateTx(ctx, latest, members)
	if err != nil {
		return group{}, bill{}, fmt.Errorf("simulate what the balance pays for: %w", err)
	}
	each := group{members, used}
	cost, err := g.billOf(each)
	if err != nil {
		return group{}, bill{}, err
	}
	if cost.fee.GT(left) {
		cost.fee, cost.short = left, true
	}
	return each, cost, nil
}

// unpaid holds submissions until the next block, when the balance may have grown.
func unpaid(members []*pending, reason error, height int64) {
	for _, p := range members {
		p.unpaid, p.heldTill = reason, height+1
	}
}

// tellShort logs when the balance begins or ceases to be too low.
func (g *signer) tellShort(latest *relayer.Block, each group, fee, left math.Int, short bool) {
	mandatory := each.mandatory()
	if g.purse.short[mandatory] == short {
		return
	}
	g.purse.short[mandatory] = short
	log := g.Logger.With("supplier", g.address, "height", latest.Height, "balance_upokt", left, "fee_upokt", fee,
		"messages", len(each.members))
	switch {
	case !short:
		log.Info("balance pays the fees again")
	case mandatory:
		log.Error("balance does not pay the fee: required messages are sent as far as it goes")
	default:
		log.Error("balance does not pay the fee: messages are held until it does")
	}
}
