package session

import (
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// windows are the heights between which the chain takes a session's claim and
// proof. All are inclusive. They follow from the shared parameters at the
// session's end height (x/shared) and do not change afterwards.
type windows struct {
	GraceEnd   int64 // last height at which relays of the session are served
	ClaimOpen  int64
	ClaimClose int64
	ProofSeed  int64 // block whose hash decides whether, and of which leaf, a proof is required
	ProofOpen  int64
	ProofClose int64 // the claim is settled in this block, after its proof was judged
}

// windowsOf returns the windows of the session that ends at the given height,
// for the parameters in force at that height.
func windowsOf(params *sharedtypes.Params, sessionEnd int64) windows {
	proofOpen := sharedtypes.GetProofWindowOpenHeight(params, sessionEnd)
	return windows{
		GraceEnd:   sharedtypes.GetSessionGracePeriodEndHeight(params, sessionEnd),
		ClaimOpen:  sharedtypes.GetClaimWindowOpenHeight(params, sessionEnd),
		ClaimClose: sharedtypes.GetClaimWindowCloseHeight(params, sessionEnd),
		ProofSeed:  proofOpen - 1,
		ProofOpen:  proofOpen,
		ProofClose: sharedtypes.GetProofWindowCloseHeight(params, sessionEnd),
	}
}
