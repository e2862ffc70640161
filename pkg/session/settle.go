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

// settle finds out how the chain has settled the session's claim.
func (m *sessionsManager) settle(ctx context.Context, tree *liveTree, height int64) error {
	settled, err := m.settleFromEvents(ctx, tree, height)
	if settled || err != nil {
		return err
	}
	if height < tree.windows().ProofClose+settlementPatience {
		return nil
	}
	held, err := m.lookUp(ctx, tree.snapshot())
	if err != nil || held != chainNothing {
		return err
	}
	return m.move(tree, StateExpired, fmt.Sprintf("the claim is gone and no settlement was found in blocks %d to %d",
		tree.windows().ProofClose, height), nil)
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
		if settled, err := m.settleFromBlock(tree, block); settled || err != nil {
			return settled, err
		}
	}
	return false, nil
}

// settleFromBlock looks for the settlement of the session's claim in one block.
func (m *sessionsManager) settleFromBlock(tree *liveTree, block *relayer.BlockEvents) (settled bool, err error) {
	record := tree.snapshot()
	for i := range block.Events {
		event := &block.Events[i]
		if !concerns(event, record) {
			continue
		}
		switch event.Kind {
		case relayer.ProofChecked:
			if event.Reason == "" && record.State == StateProving {
				if err := m.move(tree, StateProven, "judged valid", nil); err != nil {
					return false, err
				}
				record = tree.snapshot()
			}
		case relayer.ClaimSettled:
			return true, m.move(tree, StateSettled, "", func(r *Record) { r.SettledUpokt = event.SettledUpokt })
		case relayer.ClaimExpired:
			return true, m.move(tree, StateExpired, event.Reason, nil)
		case relayer.ClaimDiscarded:
			return true, m.move(tree, StateRejected, event.Reason, nil)
		}
	}
	return false, nil
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
