package session

import (
	"crypto/sha256"
	"fmt"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// Requirement says whether the chain wants a proof for a claim, and why.
type Requirement string

// The requirements of x/proof.
const (
	RequirementUnknown       Requirement = ""              // the seed block is not there yet
	RequirementNone          Requirement = "none"          // the claim is settled without a proof
	RequirementThreshold     Requirement = "threshold"     // the claim is too valuable to go without
	RequirementProbabilistic Requirement = "probabilistic" // the claim was drawn
)

// Required reports whether a proof has to be submitted.
func (r Requirement) Required() bool {
	return r == RequirementThreshold || r == RequirementProbabilistic
}

// claimFacts are what the value and the proof requirement of a claim follow from.
type claimFacts struct {
	claim  *prooftypes.Claim   // with status pending, as the chain hashes it
	priced *sharedtypes.Params // shared parameters at the session's start
	target []byte              // relay mining target at the session's start
}

// newClaim returns the claim of a session in the form in which the chain draws it.
func newClaim(header *sessiontypes.SessionHeader, supplier string, root []byte) *prooftypes.Claim {
	return &prooftypes.Claim{
		SupplierOperatorAddress: supplier,
		SessionHeader:           header,
		RootHash:                root,
		ProofValidationStatus:   prooftypes.ClaimProofStatus_PENDING_VALIDATION,
	}
}

// upokt returns the value of the claim in upokt before any limit that the
// application's stake sets.
func (f *claimFacts) upokt() (int64, error) {
	coin, err := f.claim.GetClaimeduPOKT(*f.priced, servicetypes.RelayMiningDifficulty{
		ServiceId:  f.claim.SessionHeader.ServiceId,
		TargetHash: f.target,
	})
	if err != nil {
		return 0, fmt.Errorf("value of claim: %w", err)
	}
	if !coin.Amount.IsInt64() {
		return 0, fmt.Errorf("value of claim: %s is out of range", coin)
	}
	return coin.Amount.Int64(), nil
}

// requirement decides as x/proof does: a claim worth at least the threshold must
// be proven; any other is drawn with the parameters' probability, by a number
// that follows from the claim and the hash of the seed block.
func (f *claimFacts) requirement(params *prooftypes.Params, seedBlockHash []byte) (Requirement, error) {
	worth, err := f.upokt()
	if err != nil {
		return RequirementUnknown, err
	}
	if threshold := params.ProofRequirementThreshold; threshold != nil && worth >= threshold.Amount.Int64() {
		return RequirementThreshold, nil
	}
	sample, err := f.claim.GetProofRequirementSampleValue(seedBlockHash)
	if err != nil {
		return RequirementUnknown, fmt.Errorf("proof requirement sample: %w", err)
	}
	if sample <= params.ProofRequestProbability {
		return RequirementProbabilistic, nil
	}
	return RequirementNone, nil
}

// proofPath returns the path whose closest leaf is to be proven (x/proof):
// SHA-256 of the seed block's hash and the session id's text.
func proofPath(seedBlockHash []byte, sessionID string) []byte {
	preimage := make([]byte, 0, len(seedBlockHash)+len(sessionID))
	preimage = append(preimage, seedBlockHash...)
	preimage = append(preimage, sessionID...)
	path := sha256.Sum256(preimage)
	return path[:]
}
