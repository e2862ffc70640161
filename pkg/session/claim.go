package session

import (
	"bytes"
	"context"
	"fmt"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// judge says what a claim on chain means for a session.
func judge(claim *prooftypes.Claim, record *Record) onChain {
	root, err := record.RootBytes()
	if err != nil || !bytes.Equal(claim.RootHash, root) {
		return chainForeign
	}
	switch claim.ProofValidationStatus {
	case prooftypes.ClaimProofStatus_VALIDATED:
		return chainValid
	case prooftypes.ClaimProofStatus_INVALID:
		return chainInvalid
	default:
		return chainPending
	}
}

// claim brings the session's claim on chain, or finds it there. The function
// returned waits for the outcome.
func (m *sessionsManager) claim(ctx context.Context, tree *liveTree) (waiter, error) {
	record := tree.snapshot()
	held, err := m.lookUp(ctx, record)
	if err != nil {
		return nil, err
	}
	if held != chainNothing {
		return nil, m.found(tree, held, "found on chain")
	}
	if record.State == StateSealed {
		if err := m.prepareClaim(ctx, tree); err != nil {
			return nil, err
		}
		if record = tree.snapshot(); record.State.Final() {
			return nil, nil
		}
	}
	root, err := record.RootBytes()
	if err != nil {
		return nil, err
	}
	outcome, err := m.txs.Submit(ctx, &relayer.Submission{
		Key:      "claim/" + tree.key.String(),
		Signer:   record.Supplier,
		Msg:      prooftypes.NewMsgCreateClaim(record.Supplier, record.Header(), root),
		Deadline: tree.windows().ClaimClose,
		// An upper bound: the chain pays less where the application's stake does
		// not suffice, and others have shares in it.
		WorthUpokt: record.EstimatedUpokt,
		InForce: func(ctx context.Context) (bool, error) {
			held, err := m.lookUp(ctx, record)
			return held != chainNothing, err
		},
		Prior: record.ClaimAttempts,
		Record: func(attempt relayer.TxAttempt) error {
			return tree.update(func(r *Record) { r.ClaimAttempts = withAttempt(r.ClaimAttempts, attempt) })
		},
	})
	if err != nil {
		return nil, fmt.Errorf("submit claim: %w", err)
	}
	return func(ctx context.Context) error { return m.claimEnded(ctx, tree, await(ctx, outcome)) }, nil
}

// prepareClaim makes sure that what is going to be claimed can be proven, and
// writes down that it is going to be claimed.
func (m *sessionsManager) prepareClaim(ctx context.Context, tree *liveTree) error {
	if err := m.compute(ctx, tree.selfTest); err != nil {
		return fmt.Errorf("the tree cannot be proven and is not claimed: %w", err)
	}
	facts, err := m.factsOf(ctx, tree.snapshot())
	if err != nil {
		return err
	}
	worth, err := facts.upokt()
	if err != nil {
		return err
	}
	if worth <= 0 {
		return m.move(tree, StateUnprofitable, "the claim is worth nothing", nil)
	}
	return m.move(tree, StateClaiming, "", func(r *Record) { r.EstimatedUpokt = worth })
}

// factsOf looks up what a claim's value follows from: prices and difficulty are
// those of the session's start.
func (m *sessionsManager) factsOf(ctx context.Context, record *Record) (*claimFacts, error) {
	root, err := record.RootBytes()
	if err != nil {
		return nil, err
	}
	priced, err := m.shared.SharedParamsAt(ctx, record.StartHeight)
	if err != nil {
		return nil, fmt.Errorf("shared params at %d: %w", record.StartHeight, err)
	}
	target, err := m.services.DifficultyTargetAt(ctx, record.ServiceID, record.StartHeight)
	if err != nil {
		return nil, fmt.Errorf("relay mining difficulty of %s at %d: %w", record.ServiceID, record.StartHeight, err)
	}
	return &claimFacts{claim: newClaim(record.Header(), record.Supplier, root), priced: priced, target: target}, nil
}

// claimEnded notes how the submission of a claim ended. What is not final is
// tried again at the next block.
func (m *sessionsManager) claimEnded(ctx context.Context, tree *liveTree, outcome relayer.Outcome) error {
	switch outcome.State {
	case relayer.InForce:
		held, err := m.lookUp(ctx, tree.snapshot())
		if err != nil {
			return err
		}
		return m.found(tree, held, "included")
	case relayer.Unprofitable:
		return m.move(tree, StateUnprofitable, fmt.Sprintf("the claim is worth %d upokt: %v",
			tree.snapshot().EstimatedUpokt, outcome.Err), nil)
	case relayer.Failed, relayer.NotIncluded:
		m.note(tree, fmt.Sprintf("claim %s: %v", outcome.State, outcome.Err))
	}
	return nil // or stopped: the attempts are in the record
}

// found goes on from what the chain holds for a session that is not claimed as
// far as its record knows.
func (m *sessionsManager) found(tree *liveTree, held onChain, how string) error {
	switch held {
	case chainNothing:
		return nil
	case chainForeign:
		return m.move(tree, StateConflict,
			"the chain holds a claim with another root; no proof is sent for it", nil)
	default:
		return m.move(tree, StateClaimed, how, nil)
	}
}

// note adds a reason to the session's story without changing its state.
func (m *sessionsManager) note(tree *liveTree, reason string) {
	height, now := m.clock()
	m.log.Warn(reason, "session", tree.key.String(), "height", height)
	err := tree.update(func(r *Record) {
		if last := r.Timeline[len(r.Timeline)-1]; last.Reason != reason {
			r.Timeline = append(r.Timeline, Transition{State: r.State, Height: height, Time: now, Reason: reason})
		}
	})
	if err != nil {
		m.log.Error("reason could not be written down", "session", tree.key.String(), "error", err)
	}
}

// conclude ends a session whose claim window is closed, unless the chain holds
// its claim after all.
func (m *sessionsManager) conclude(ctx context.Context, tree *liveTree, height int64) error {
	record := tree.snapshot()
	held, err := m.lookUp(ctx, record)
	if err != nil {
		return err
	}
	if held != chainNothing {
		return m.found(tree, held, "found on chain")
	}
	if len(record.ClaimAttempts) > 0 && height >= tree.windows().ProofClose {
		// Claims are gone from the chain once they are settled.
		settled, err := m.settleFromEvents(ctx, tree, height)
		if err != nil {
			return m.giveUpResults(tree, height, err)
		}
		if settled {
			return nil
		}
	}
	reason := fmt.Sprintf("the claim window closed at height %d", tree.windows().ClaimClose)
	if last := record.Timeline[len(record.Timeline)-1]; last.Reason != "" {
		reason += "; " + last.Reason
	}
	return m.move(tree, StateMissed, reason, nil)
}
