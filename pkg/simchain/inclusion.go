package simchain

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// submission is a message that waits for a block.
type submission struct {
	*relayer.Submission
	outcome chan relayer.Outcome
}

// Submit implements relayer.TxSubmitter: the message is in the next block.
func (c *Chain) Submit(_ context.Context, s *relayer.Submission) (<-chan relayer.Outcome, error) {
	c.mu.Lock()
	height := c.latest.Height
	c.mu.Unlock()
	hash := sha256.Sum256(fmt.Appendf(nil, "%s at %d", s.Key, height))
	attempt := relayer.TxAttempt{
		Hash: fmt.Sprintf("%X", hash), Messages: 1, SentHeight: height, TimeoutHeight: s.Deadline,
	}
	if err := s.Record(attempt); err != nil {
		return nil, err
	}
	waiting := &submission{Submission: s, outcome: make(chan relayer.Outcome, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, waiting)
	return waiting.outcome, nil
}

// Waiting reports whether a message with the key of a submission waits for the
// next block.
func (c *Chain) Waiting(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.waiting, func(s *submission) bool { return s.Key == key })
}

// include executes what was submitted. c.mu is held.
func (c *Chain) include(height int64) {
	for _, s := range c.waiting {
		outcome := relayer.Outcome{State: relayer.InForce, Height: height}
		if err := c.execute(s.Submission, height); err != nil {
			outcome = relayer.Outcome{State: relayer.Failed, Height: height, Err: err}
		}
		s.outcome <- outcome
		close(s.outcome)
	}
	c.waiting = nil
}

func (c *Chain) execute(s *relayer.Submission, height int64) error {
	switch msg := s.Msg.(type) {
	case *prooftypes.MsgCreateClaim:
		return c.claim(msg, height)
	case *prooftypes.MsgSubmitProof:
		return c.prove(msg, height)
	default:
		return fmt.Errorf("message %T is not known", msg)
	}
}

func (c *Chain) claim(msg *prooftypes.MsgCreateClaim, height int64) error {
	end := msg.SessionHeader.SessionEndBlockHeight
	opens := sharedtypes.GetClaimWindowOpenHeight(c.params, end)
	closes := sharedtypes.GetClaimWindowCloseHeight(c.params, end)
	if height < opens || height > closes {
		return fmt.Errorf("claim at %d, its window is %d to %d", height, opens, closes)
	}
	key := claimKey{msg.SupplierOperatorAddress, msg.SessionHeader.SessionId}
	if held := c.claims[key]; held != nil && string(held.RootHash) != string(msg.RootHash) {
		return errors.New("another root was claimed before")
	}
	c.claims[key] = &prooftypes.Claim{
		SupplierOperatorAddress: msg.SupplierOperatorAddress, SessionHeader: msg.SessionHeader, RootHash: msg.RootHash,
	}
	c.totals.Claims++
	return nil
}

func (c *Chain) prove(msg *prooftypes.MsgSubmitProof, height int64) error {
	end := msg.SessionHeader.SessionEndBlockHeight
	opens := sharedtypes.GetProofWindowOpenHeight(c.params, end)
	closes := sharedtypes.GetProofWindowCloseHeight(c.params, end)
	if height < opens || height > closes {
		return fmt.Errorf("proof at %d, its window is %d to %d", height, opens, closes)
	}
	claim := c.claims[claimKey{msg.SupplierOperatorAddress, msg.SessionHeader.SessionId}]
	if claim == nil {
		return errors.New("proof without a claim")
	}
	c.totals.Proofs++
	claim.ProofValidationStatus = prooftypes.ClaimProofStatus_INVALID
	proof, err := trie.Decode(msg.Proof)
	if err != nil {
		return nil // judged, and invalid
	}
	seed := block(opens - 1).Hash
	path := sha256.Sum256(append(append([]byte(nil), seed...), msg.SessionHeader.SessionId...))
	if valid, err := trie.Verify(trie.Root(claim.RootHash), proof); err == nil && valid && string(proof.Path) == string(path[:]) {
		claim.ProofValidationStatus = prooftypes.ClaimProofStatus_VALIDATED
	}
	return nil
}

// settle ends the claims whose proof window closes at the height. c.mu is held.
func (c *Chain) settle(height int64) {
	for key, claim := range c.claims {
		header := claim.SessionHeader
		if sharedtypes.GetProofWindowCloseHeight(c.params, header.SessionEndBlockHeight) != height {
			continue
		}
		root := trie.Root(claim.RootHash)
		event := relayer.ClaimEvent{
			Supplier: key.supplier, Application: header.ApplicationAddress, ServiceID: header.ServiceId,
			SessionID: header.SessionId, SessionEnd: header.SessionEndBlockHeight,
			NumRelays: root.Count(), ComputeUnits: root.Sum(),
		}
		if c.proof.ProofRequestProbability < 1 || claim.ProofValidationStatus == prooftypes.ClaimProofStatus_VALIDATED {
			event.Kind = relayer.ClaimSettled
			event.SettledUpokt = fmt.Sprintf("%dupokt", root.Sum()*c.params.ComputeUnitsToTokensMultiplier)
			c.totals.Settled++
			c.totals.Relays += root.Count()
		} else {
			event.Kind, event.Reason = relayer.ClaimExpired, "PROOF_MISSING"
			c.totals.Expired++
		}
		c.events[height].Events = append(c.events[height].Events, event)
		delete(c.claims, key)
	}
}
