package tx

import (
	"errors"
	"fmt"
	stdmath "math"
	"time"

	"cosmossdk.io/math"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// canLand reports whether the chain's rules allow an attempt to be included in
// a block after latest. The next block has a greater height and a later time.
//
// x/auth/ante: TxTimeoutHeightDecorator refuses a height above the timeout height
// and a block time after the timeout timestamp.
func canLand(a relayer.TxAttempt, latest *relayer.Block) bool {
	switch {
	case a.Included > 0:
		return false // x/auth keeps the timestamp of an included transaction until it is over
	case a.Code != 0:
		return false // refused by every node that it was sent to
	case a.TimeoutHeight > 0 && latest.Height >= a.TimeoutHeight:
		return false
	case a.TimeoutUnixNs > 0 && latest.Time.UnixNano() >= a.TimeoutUnixNs:
		return false
	}
	return true
}

// reserve is how many blocks before its deadline a transaction's time is over, so that
// another with a higher fee can follow where nodes have raised their price meanwhile.
const reserve = 2

// lastBlock returns the last height at which a transaction of messages that are due by a
// deadline may be included. Where few blocks are left none are reserved.
func lastBlock(deadline, height int64) int64 {
	if deadline-height < 2*reserve {
		return deadline
	}
	return deadline - reserve
}

// stamps are the timeout timestamps that a signer has used, in Unix nanoseconds.
type stamps map[int64]struct{}

// next returns a timestamp that was not used, life and jitter after the newest
// block's time or some nanoseconds more, and marks it used. Those that are over
// are forgotten: their transactions cannot be included, nor can one that repeats
// them.
func (s stamps) next(blockTime time.Time, life, jitter time.Duration) int64 {
	now := blockTime.UnixNano()
	for stamp := range s {
		if stamp <= now {
			delete(s, stamp)
		}
	}
	stamp := blockTime.Add(life + jitter).UnixNano()
	for s.used(stamp) {
		stamp++
	}
	s[stamp] = struct{}{}
	return stamp
}

func (s stamps) used(stamp int64) bool {
	_, ok := s[stamp]
	return ok
}

// verdict is what a refusal says about the attempt.
type verdict int

const (
	attemptDead    verdict = iota // this transaction is refused; another may pass
	nodeBusy                      // nothing about the transaction; send it again
	feeTooLow                     // another with a higher fee may pass
	tooLarge                      // another with fewer messages may pass
	accountUnknown                // what is known about the signer's account is wrong
	sequenceWrong                 // another with the account's present sequence may pass
	orderRequired                 // another with a sequence may pass
)

// judge reads the codes of CheckTx (cosmos-sdk: types/errors).
func judge(r *chain.Refusal) verdict {
	switch {
	case errors.Is(r, sdkerrors.ErrMempoolIsFull):
		return nodeBusy
	case errors.Is(r, sdkerrors.ErrInsufficientFee):
		return feeTooLow
	case errors.Is(r, sdkerrors.ErrTxTooLarge), errors.Is(r, sdkerrors.ErrInvalidGasLimit): // bytes, gas of a block
		return tooLarge
	case errors.Is(r, sdkerrors.ErrUnauthorized), errors.Is(r, sdkerrors.ErrUnknownAddress):
		return accountUnknown
	case errors.Is(r, sdkerrors.ErrWrongSequence):
		return sequenceWrong
	case errors.Is(r, sdkerrors.ErrNotSupported): // unordered transactions (x/auth/ante: SigVerificationDecorator)
		return orderRequired
	}
	return attemptDead
}

// tooLateForBlock reports whether a block has a transaction whose time was over: who
// proposes blocks need not look. No message of it was executed, and no fee was taken.
func tooLateForBlock(r *chain.Refusal) bool {
	return errors.Is(r, sdkerrors.ErrTxTimeoutHeight) || errors.Is(r, sdkerrors.ErrTxTimeout)
}

// gasLimit returns the gas to ask for when a simulation has used some.
func gasLimit(used uint64, adjustment float64) (uint64, error) {
	limit := stdmath.Ceil(float64(used) * adjustment)
	if limit < 1 || limit > stdmath.MaxInt64 {
		return 0, fmt.Errorf("gas limit %v for %d used", limit, used)
	}
	return uint64(limit), nil
}

// feeFor returns the fee in upokt, rounded up, for a node compares it with the
// product rounded up (x/auth/ante: checkTxFeeWithValidatorMinGasPrices).
func feeFor(gas uint64, price math.LegacyDec) (math.Int, error) {
	fee := price.MulInt(math.NewIntFromUint64(gas)).Ceil().TruncateInt()
	if !fee.IsInt64() {
		return math.Int{}, fmt.Errorf("fee of %s upokt for %d gas at %s", fee, gas, price)
	}
	return fee, nil
}

const (
	// moreGas is the factor on the gas limit of a message that ran out of it.
	moreGas = 1.5
	// raisePercent is by how much a fee that was too low is raised, at least.
	raisePercent = 10
	// leastRaise is the smallest step, so that a price of zero can rise.
	leastRaise = "0.000001"
)

// raise returns the price to try after one that was too low. demanded is the
// node's own minimum, zero if unknown. ok is false if limit leaves no room; a nil
// limit leaves any.
func raise(price, demanded, limit math.LegacyDec) (next math.LegacyDec, ok bool) {
	step := math.LegacyMaxDec(price.MulInt64(raisePercent).QuoInt64(100), math.LegacyMustNewDecFromStr(leastRaise))
	next = math.LegacyMaxDec(price.Add(step), demanded)
	if !limit.IsNil() && next.GT(limit) {
		next = limit
	}
	return next, next.GT(price)
}
