package meter

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"

	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// errMalformed is wrapped by the errors of answers of the chain that no budget
// follows from.
var errMalformed = errors.New("malformed answer of the chain")

// denom is the denomination of stakes and limits.
const denom = "upokt"

// terms are what follows from the session alone. They do not change.
type terms struct {
	multiplier  *big.Int // compute units to tokens, at the session's start
	granularity *big.Int // by which the multiplier is divided, at the session's start
	pending     *big.Int // sessions that can await settlement at once
	suppliers   *big.Int // of the session
}

// newTerms returns the terms of a session with that many suppliers. priced are the
// shared parameters at its start, windows those at its end.
func newTerms(priced, windows *sharedtypes.Params, suppliers int) (terms, error) {
	switch {
	case suppliers < 1:
		return terms{}, fmt.Errorf("%w: session without suppliers", errMalformed)
	case priced.ComputeUnitCostGranularity == 0:
		return terms{}, fmt.Errorf("%w: compute_unit_cost_granularity is 0", errMalformed)
	case windows.NumBlocksPerSession == 0:
		return terms{}, fmt.Errorf("%w: num_blocks_per_session is 0", errMalformed)
	}
	pending := sharedtypes.GetNumPendingSessions(windows)
	if pending < 1 {
		return terms{}, fmt.Errorf("%w: no session is ever pending", errMalformed)
	}
	return terms{
		multiplier:  new(big.Int).SetUint64(priced.ComputeUnitsToTokensMultiplier),
		granularity: new(big.Int).SetUint64(priced.ComputeUnitCostGranularity),
		pending:     big.NewInt(pending),
		suppliers:   big.NewInt(int64(suppliers)),
	}, nil
}

// settlement returns the most upokt that settlement pays one supplier for the
// session, given the application's purse and the global inflation per claim.
func (t terms) settlement(p purse, inflation *big.Rat) *big.Int {
	budget := new(big.Int).Quo(p.stake, t.pending)
	if p.limit != nil && p.limit.Cmp(budget) < 0 {
		budget = p.limit
	}
	share := new(big.Int).Quo(budget, t.suppliers)
	charged := new(big.Rat).Add(big.NewRat(1, 1), inflation)
	paid := charged.Quo(new(big.Rat).SetInt(share), charged)
	return new(big.Int).Quo(paid.Num(), paid.Denom())
}

// capacity returns the most compute units whose claim is worth no more than upokt.
//
// A claim is worth units × multiplier / granularity rounded down (x/proof:
// Claim.GetClaimeduPOKT), so the first that is worth more has
// units × multiplier >= (upokt+1) × granularity.
func (t terms) capacity(upokt *big.Int) uint64 {
	if t.multiplier.Sign() == 0 {
		return math.MaxUint64
	}
	units := new(big.Int).Add(upokt, big.NewInt(1))
	units.Mul(units, t.granularity)
	units.Sub(units, big.NewInt(1))
	return clamp(units.Quo(units, t.multiplier))
}

// worth returns what a claim of that many compute units is worth in upokt.
func (t terms) worth(units uint64) *big.Int {
	upokt := new(big.Int).SetUint64(units)
	upokt.Mul(upokt, t.multiplier)
	return upokt.Quo(upokt, t.granularity)
}

// charge returns what an application's stake loses when a claim is settled for
// upokt: settlement takes the inflation that it causes from it too, rounded up.
func charge(upokt *big.Int, inflation *big.Rat) *big.Int {
	caused := new(big.Rat).Mul(new(big.Rat).SetInt(upokt), inflation)
	minted, rest := new(big.Int).QuoRem(caused.Num(), caused.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		minted.Add(minted, big.NewInt(1))
	}
	return minted.Add(minted, upokt)
}

func clamp(n *big.Int) uint64 {
	if !n.IsUint64() {
		return math.MaxUint64
	}
	return n.Uint64()
}

// purse is what an application has to pay from, in upokt.
type purse struct {
	stake *big.Int
	limit *big.Int // per session; nil if there is none
}

// newPurse returns the purse of the application.
func newPurse(app *apptypes.Application) (purse, error) {
	stake := app.Stake
	if stake == nil || stake.Amount.IsNil() || stake.Amount.IsNegative() {
		return purse{}, fmt.Errorf("%w: application %q has no stake", errMalformed, app.Address)
	}
	p := purse{stake: stake.Amount.BigInt()}
	limit := app.PerSessionSpendLimit
	if limit == nil || limit.Amount.IsNil() || !limit.Amount.IsPositive() {
		return p, nil
	}
	p.limit = limit.Amount.BigInt()
	if limit.Denom != denom {
		p.limit = new(big.Int) // the chain discards all claims against such a limit
	}
	return p, nil
}

// emptyPurse is that of an application which does not exist.
func emptyPurse() purse { return purse{stake: new(big.Int)} }

// less returns the purse after the stake was charged upokt.
func (p purse) less(upokt *big.Int) purse {
	stake := new(big.Int).Sub(p.stake, upokt)
	if stake.Sign() < 0 {
		stake.SetInt64(0)
	}
	return purse{stake: stake, limit: p.limit}
}

// inflationOf returns the parameter global_inflation_per_claim as the number that
// its shortest decimal form says, as the chain takes it: 0.1 is one tenth.
func inflationOf(parameter float64) (*big.Rat, error) {
	inflation, ok := new(big.Rat).SetString(strconv.FormatFloat(parameter, 'f', -1, 64))
	if !ok || inflation.Sign() < 0 {
		return nil, fmt.Errorf("%w: global_inflation_per_claim is %g", errMalformed, parameter)
	}
	return inflation, nil
}

// estimate returns how many compute units were probably served when those of the
// relays whose hash is below target sum up to mined. Settlement multiplies alike.
func estimate(mined uint64, target []byte) (uint64, error) {
	below := new(big.Int).SetBytes(target)
	if below.Sign() == 0 {
		return 0, fmt.Errorf("%w: no hash meets the difficulty", errMalformed)
	}
	all := new(big.Int).Lsh(big.NewInt(1), uint(8*len(target)))
	all.Sub(all, big.NewInt(1))
	served := new(big.Int).SetUint64(mined)
	served.Mul(served, all)
	return clamp(served.Quo(served, below)), nil
}
