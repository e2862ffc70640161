package session

import (
	"context"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// settlementPatience is how many blocks after the proof window's close the
// settlement of a claim is looked for. The chain settles in the block of the
// close itself unless the parameters were changed.
const settlementPatience = 20

// resultsPatience is how many blocks after the proof window's close nodes are asked
// for the results of the blocks in which the claim may have been settled. A node that
// prunes them, or keeps none, never has them; another one may be configured meanwhile.
const resultsPatience = 200

// settle finds out how the chain has settled the session's claim.
func (m *sessionsManager) settle(ctx context.Context, tree *liveTree, height int64) error {
	settled, err := m.settleFromEvents(ctx, tree, height)
	if settled || height < tree.windows().ProofClose+settlementPatience {
		return err
	}
	held, lookErr := m.lookUp(ctx, tree.snapshot())
	if lookErr != nil || held != chainNothing {
		return lookErr
	}
	if err != nil {
		return m.giveUpResults(tree, height, err)
	}
	return m.move(tree, StateExpired, fmt.Sprintf("the claim is gone and no settlement was found in blocks %d to %d",
		tree.windows().ProofClose, height), nil)
}

// giveUpResults ends a session whose claim is gone, when no node has told for long
// what the chain has decided.
func (m *sessionsManager) giveUpResults(tree *liveTree, height int64, err error) error {
	if height < tree.windows().ProofClose+resultsPatience {
		return err
	}
	return m.move(tree, StateUnresolved, fmt.Sprintf("the claim is gone and no node has the results of the blocks since %d: %v",
		tree.windows().ProofClose, err), nil)
}

// settleFromEvents looks for the settlement of the session's claim in the blocks
// from the proof window's close up to height.
func (m *sessionsManager) settleFromEvents(ctx context.Context, tree *liveTree, height int64) (settled bool, err error) {
	last := min(height, tree.windows().ProofClose+settlementPatience)
	for h := tree.windows().ProofClose; h <= last; h++ {
		block, err := m.history.Events(ctx, h)
		if err != nil {
			return false, fmt.Errorf("events of block %d: %w", h, err)
		}
		ending := endingOf(block, tree.snapshot())
		if ending.judged && ending.failure == "" && tree.snapshot().State == StateProving {
			if err := m.move(tree, StateProven, "judged valid", nil); err != nil {
				return false, err
			}
		}
		if ending.state != "" {
			return true, m.end(ctx, tree, ending)
		}
	}
	return false, nil
}

// ending is what the chain has decided about a session's claim in one block.
type ending struct {
	state   State  // empty if the claim goes on
	reason  string // of the state
	judged  bool   // the proof was judged
	failure string // why it was judged invalid
	settled string // amounts, with denomination
	paid    string
	slashed string
}

// endingOf picks what concerns the session out of the events of a block. A
// supplier is slashed after its claim has expired, in the same block.
func endingOf(block *relayer.BlockEvents, record *Record) ending {
	var e ending
	for i := range block.Events {
		event := &block.Events[i]
		if !concerns(event, record) {
			continue
		}
		switch event.Kind {
		case relayer.ProofChecked:
			e.judged, e.failure = true, event.Reason
		case relayer.ClaimSettled:
			e.state, e.settled, e.paid = StateSettled, event.SettledUpokt, event.PaidUpokt
		case relayer.ClaimExpired:
			e.state, e.reason = StateExpired, event.Reason
		case relayer.ClaimDiscarded:
			e.state, e.reason = StateRejected, event.Reason
		case relayer.SupplierSlashed:
			e.slashed = event.SlashedUpokt
		}
	}
	return e
}

// end brings the session to the outcome that the chain has decided on.
func (m *sessionsManager) end(ctx context.Context, tree *liveTree, e ending) error {
	if e.state == StateExpired && e.reason == reasonInvalid.String() && e.failure == "" {
		e.failure = m.proofFailure(ctx, tree)
	}
	fee, err := m.proofFee(ctx, tree.snapshot())
	if err != nil {
		return err
	}
	return m.move(tree, e.state, e.reason, func(r *Record) {
		r.SettledUpokt, r.PaidUpokt, r.SlashedUpokt = e.settled, e.paid, e.slashed
		r.ProofFailure, r.ProofFeeUpokt = e.failure, fee
	})
}

// proofFailure looks for the reason why the session's proof was judged invalid
// in the blocks of the proof window. It is empty if it is not found: the node may
// not have the blocks any more, and the outcome is known without it.
func (m *sessionsManager) proofFailure(ctx context.Context, tree *liveTree) string {
	for h := tree.windows().ProofOpen; h < tree.windows().ProofClose; h++ {
		block, err := m.history.Events(ctx, h)
		if err != nil {
			m.log.Warn("why the proof was judged invalid cannot be looked up",
				"session", tree.key.String(), "height", h, "error", err)
			return ""
		}
		if e := endingOf(block, tree.snapshot()); e.failure != "" {
			return e.failure
		}
	}
	return ""
}

// proofFee returns what the chain has taken for the session's proof beside the
// transaction's fee, in upokt: nothing if no proof of it had effect.
func (m *sessionsManager) proofFee(ctx context.Context, record *Record) (int64, error) {
	for n := range record.ProofAttempts {
		if a := &record.ProofAttempts[n]; a.Included == 0 || a.Code != 0 {
			continue
		}
		params, err := m.proofs.ProofParams(ctx)
		if err != nil {
			return 0, fmt.Errorf("proof params: %w", err)
		}
		if fee := params.ProofSubmissionFee; fee != nil && fee.Amount.IsInt64() {
			return fee.Amount.Int64(), nil
		}
		break
	}
	return 0, nil
}

// concerns reports whether an event is about the session's claim. Not all events
// carry the session's id; application, service, supplier and end height are as good.
func concerns(event *relayer.ClaimEvent, record *Record) bool {
	if event.Supplier != record.Supplier {
		return false
	}
	if event.SessionID != "" {
		return event.SessionID == record.SessionID
	}
	return event.Application == record.Application &&
		event.ServiceID == record.ServiceID &&
		event.SessionEnd == record.EndHeight
}
