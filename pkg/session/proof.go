package session

import (
	"context"
	"encoding/hex"
	"fmt"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/pokt-network/smt"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// EvidenceVerifier checks a relay as the chain will check the one in a proof.
type EvidenceVerifier interface {
	// VerifyEvidence checks the ring signature of the request and the
	// supplier's signature of the response, whose payload has been dropped.
	VerifyEvidence(ctx context.Context, relay *servicetypes.Relay) error
}

// proveIfRequired finds out whether the chain wants a proof for the session's
// claim, and brings it on chain if so. The function returned waits for the outcome.
func (m *sessionsManager) proveIfRequired(ctx context.Context, tree *liveTree) (waiter, error) {
	record := tree.snapshot()
	held, err := m.lookUp(ctx, record)
	if err != nil {
		return nil, err
	}
	switch held {
	case chainValid:
		return nil, m.move(tree, StateProven, "found on chain", nil)
	case chainForeign:
		return nil, m.found(tree, held, "")
	case chainNothing:
		// A claim in force disappears only when it is settled or replaced by
		// nothing that this session knows of: ask again at the next block.
		return nil, fmt.Errorf("the claim is not on chain any more")
	}
	seed, err := m.history.BlockAt(ctx, tree.windows().ProofSeed)
	if err != nil {
		return nil, fmt.Errorf("proof seed block %d: %w", tree.windows().ProofSeed, err)
	}
	if record.Requirement == RequirementUnknown {
		if err := m.decideRequirement(ctx, tree, seed.Hash); err != nil {
			return nil, err
		}
		record = tree.snapshot()
	}
	// A proof sent in this block is included in the next one at the earliest.
	height, _ := m.clock()
	if !record.Requirement.Required() || height >= tree.windows().ProofClose {
		return nil, nil
	}
	return m.submitProof(ctx, tree, proofPath(seed.Hash, record.SessionID))
}

// decideRequirement decides as the chain does and writes the decision down.
func (m *sessionsManager) decideRequirement(ctx context.Context, tree *liveTree, seedHash []byte) error {
	facts, err := m.factsOf(ctx, tree.snapshot())
	if err != nil {
		return err
	}
	params, err := m.proofs.ProofParams(ctx)
	if err != nil {
		return fmt.Errorf("proof params: %w", err)
	}
	requirement, err := facts.requirement(params, seedHash)
	if err != nil {
		return err
	}
	return tree.update(func(r *Record) { r.Requirement = requirement })
}

// submitProof builds the proof, checks it as the chain will, and brings it on chain.
func (m *sessionsManager) submitProof(ctx context.Context, tree *liveTree, path []byte) (waiter, error) {
	proof, err := m.buildProof(ctx, tree, path)
	if err != nil {
		return nil, err
	}
	if err := m.verifyEvidence(ctx, proof); err != nil {
		// The penalty for an invalid proof is that for a missing one: what the
		// chain thinks of it can only be better than what is known here.
		m.log.Error("the relay to be proven does not verify; the proof is sent all the same",
			"session", tree.key.String(), "error", err)
	}
	if tree.snapshot().State == StateClaimed {
		if err := m.move(tree, StateProving, "", func(r *Record) { r.ProofPath = hex.EncodeToString(path) }); err != nil {
			return nil, err
		}
	}
	record := tree.snapshot()
	outcome, err := m.txs.Submit(ctx, &relayer.Submission{
		Key:          "proof/" + tree.key.String(),
		Signer:       record.Supplier,
		Msg:          prooftypes.NewMsgSubmitProof(record.Supplier, record.Header(), tree.GetProofBz()),
		Deadline:     tree.windows().ProofClose,
		Mandatory:    true,
		PenaltyUpokt: m.missingProofCost(ctx, record),
		InForce: func(ctx context.Context) (bool, error) {
			held, err := m.lookUp(ctx, record)
			return err == nil && held != chainPending, err
		},
		Prior: record.ProofAttempts,
		Record: func(attempt relayer.TxAttempt) error {
			return tree.update(func(r *Record) { r.ProofAttempts = withAttempt(r.ProofAttempts, attempt) })
		},
	})
	if err != nil {
		return nil, fmt.Errorf("submit proof: %w", err)
	}
	return func(ctx context.Context) error { return m.proofEnded(ctx, tree, await(ctx, outcome)) }, nil
}

// missingProofCost returns what is lost in upokt if the session's proof is not in
// force: the penalty and what the claim earns. It is 0 if that cannot be found out,
// which is for no fee to be too much.
func (m *sessionsManager) missingProofCost(ctx context.Context, record *Record) int64 {
	params, err := m.proofs.ProofParams(ctx)
	if err != nil || params.ProofMissingPenalty == nil || !params.ProofMissingPenalty.Amount.IsInt64() {
		return 0
	}
	return params.ProofMissingPenalty.Amount.Int64() + record.EstimatedUpokt
}

// proofEnded notes how the submission of a proof ended. What is not final is
// tried again at the next block.
func (m *sessionsManager) proofEnded(ctx context.Context, tree *liveTree, outcome relayer.Outcome) error {
	switch outcome.State {
	case relayer.InForce:
		return m.proofJudged(ctx, tree)
	case relayer.Failed, relayer.NotIncluded:
		m.note(tree, fmt.Sprintf("proof %s: %v", outcome.State, outcome.Err))
	}
	return nil // or stopped: the attempts are in the record
}

// proofJudged reads the chain's verdict. A proof that was judged in the block in
// which its claim was settled has left nothing but events, which settle reads.
func (m *sessionsManager) proofJudged(ctx context.Context, tree *liveTree) error {
	held, err := m.lookUp(ctx, tree.snapshot())
	if err != nil {
		return err
	}
	switch held {
	case chainValid:
		return m.move(tree, StateProven, "judged valid", nil)
	case chainInvalid:
		m.note(tree, "the chain judged the proof invalid")
	case chainForeign:
		return m.found(tree, held, "")
	}
	return nil
}

// verifyEvidence checks the relay that the proof shows to the chain.
func (m *sessionsManager) verifyEvidence(ctx context.Context, proof *smt.SparseCompactMerkleClosestProof) error {
	relay, err := relayOf(proof)
	if err != nil {
		return err
	}
	return m.evidence.VerifyEvidence(ctx, relay)
}

// weightAndCount is the number of bytes behind the relay in a leaf's value.
const weightAndCount = 16

// relayOf decodes the relay that a proof shows.
func relayOf(proof *smt.SparseCompactMerkleClosestProof) (*servicetypes.Relay, error) {
	value := proof.ClosestValueHash
	if len(value) < weightAndCount {
		return nil, fmt.Errorf("the proven leaf has %d bytes", len(value))
	}
	relay := &servicetypes.Relay{}
	if err := relay.Unmarshal(value[:len(value)-weightAndCount]); err != nil {
		return nil, fmt.Errorf("the proven leaf is not a relay: %w", err)
	}
	return relay, nil
}
