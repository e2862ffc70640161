package session

import (
	"slices"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Verdict is what the chain made of a session's proof.
type Verdict string

// What a verdict can be. It is empty while there is none.
const (
	VerdictValid       Verdict = "valid"
	VerdictInvalid     Verdict = "invalid"
	VerdictMissing     Verdict = "missing"      // required, and not there in time
	VerdictNotRequired Verdict = "not required" // the claim was settled without
)

// The reasons of EventClaimExpired (x/tokenomics: ClaimExpirationReason).
const (
	reasonMissing = tokenomicstypes.ClaimExpirationReason_PROOF_MISSING
	reasonInvalid = tokenomicstypes.ClaimExpirationReason_PROOF_INVALID
)

// Verdict returns what the chain made of the session's proof, as far as the
// record tells.
func (r *Record) Verdict() Verdict {
	reached := func(state State) bool {
		return slices.ContainsFunc(r.Timeline, func(at Transition) bool { return at.State == state })
	}
	last := r.Timeline[len(r.Timeline)-1]
	switch {
	case r.ProofFailure != "", r.State == StateExpired && last.Reason == reasonInvalid.String():
		return VerdictInvalid
	case r.State == StateExpired && last.Reason == reasonMissing.String():
		return VerdictMissing
	case reached(StateProven), r.State == StateSettled && r.Requirement.Required():
		return VerdictValid
	case r.Requirement == RequirementNone:
		return VerdictNotRequired
	}
	return ""
}

// Claimed reports whether the chain has held the session's claim.
func (r *Record) Claimed() bool {
	return slices.ContainsFunc(r.Timeline, func(at Transition) bool {
		switch at.State {
		case StateClaimed, StateProving, StateProven, StateSettled, StateExpired:
			return true
		}
		return false
	})
}

// OutcomeHeight returns the height at which the session came to its outcome, and
// false if it has none.
func (r *Record) OutcomeHeight() (int64, bool) {
	if !r.State.Final() {
		return 0, false
	}
	for _, at := range r.Timeline {
		if at.State == r.State {
			return max(at.Height, r.EndHeight), true
		}
	}
	return r.EndHeight, true
}

// Fees are what the session cost, in upokt.
type Fees struct {
	Claim int64 `json:"claim_upokt"` // its part of the transactions that carried its claim
	Proof int64 `json:"proof_upokt"` // and its proof, with what the chain takes for one
	Txs   int   `json:"txs"`         // transactions that the fees are of
}

// Total returns the sum.
func (f Fees) Total() int64 { return f.Claim + f.Proof }

// Fees returns what the session cost: of each transaction that came into a block,
// with effect or without, the part of one of its messages, rounded.
func (r *Record) Fees() Fees {
	claim, claimTxs := feeShares(r.ClaimAttempts)
	proof, proofTxs := feeShares(r.ProofAttempts)
	return Fees{Claim: claim, Proof: proof + r.ProofFeeUpokt, Txs: claimTxs + proofTxs}
}

func feeShares(attempts []relayer.TxAttempt) (upokt int64, txs int) {
	for n := range attempts {
		if a := &attempts[n]; a.Included > 0 {
			upokt += feeShare(a)
			txs++
		}
	}
	return upokt, txs
}

// feeShare returns the part of a transaction's fee that falls to one message.
func feeShare(a *relayer.TxAttempt) int64 {
	messages := int64(max(a.Messages, 1))
	return (a.FeeUpokt + messages/2) / messages
}

// Step is the time that a session spent after one entry of its timeline.
type Step struct {
	Transition
	// Blocks and Milliseconds are those until the next entry. They are nil for the
	// last one: a session in its outcome stays there, and where another goes on to
	// is not known yet.
	Blocks       *int64 `json:"blocks,omitempty"`
	Milliseconds *int64 `json:"milliseconds,omitempty"`
}

// Steps returns the timeline with what each entry lasted.
func (r *Record) Steps() []Step {
	steps := make([]Step, len(r.Timeline))
	for n, at := range r.Timeline {
		steps[n].Transition = at
		if n+1 < len(r.Timeline) {
			next := r.Timeline[n+1]
			blocks, milliseconds := next.Height-at.Height, next.Time.Sub(at.Time).Milliseconds()
			steps[n].Blocks, steps[n].Milliseconds = &blocks, &milliseconds
		}
	}
	return steps
}

// Upokt returns an amount that the chain writes with its denomination, and false
// if it is none.
func Upokt(amount string) (int64, bool) {
	coin, err := cosmostypes.ParseCoinNormalized(amount)
	if err != nil || coin.Denom != "upokt" || !coin.Amount.IsInt64() {
		return 0, false
	}
	return coin.Amount.Int64(), true
}
