package session

import (
	"context"
	"errors"
	"fmt"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// waiter waits for the chain to end what a step has begun, and draws the
// conclusions. It is nil if there is nothing to wait for.
type waiter func(context.Context) error

// enter waits for one of the places and returns what gives it back.
func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// await returns how a submission ended, or no outcome when the sessions manager
// or the submitter stops first.
func await(ctx context.Context, outcome <-chan relayer.Outcome) relayer.Outcome {
	select {
	case o := <-outcome:
		return o
	case <-ctx.Done():
		return relayer.Outcome{}
	}
}

// begin does what a step has to do before it waits.
func (m *sessionsManager) begin(ctx context.Context, tree *liveTree, height int64) (waiter, error) {
	record := tree.snapshot()
	switch nextStep(record.State, record.Requirement, *tree.windows(), height) {
	case stepSeal:
		return m.sealAndClaim(ctx, tree, height)
	case stepClaim:
		return m.claim(ctx, tree)
	case stepMiss:
		return nil, m.conclude(ctx, tree, height)
	case stepProve:
		return m.proveIfRequired(ctx, tree)
	case stepSettle:
		return nil, m.settle(ctx, tree, height)
	default:
		return nil, nil
	}
}

// move changes the state of a session and tells the observers.
func (m *sessionsManager) move(tree *liveTree, to State, reason string, change func(*Record)) error {
	from := tree.snapshot().State
	if err := tree.move(to, reason, change); err != nil {
		return err
	}
	m.published(tree, from)
	return nil
}

// published tells the observers of a change that was made, and logs it.
func (m *sessionsManager) published(tree *liveTree, from State) {
	record := tree.snapshot()
	last := record.Timeline[len(record.Timeline)-1]
	log := m.log.Info
	if record.State.bad() {
		log = m.log.Error
	}
	log("session "+string(record.State), "session", record.SessionID, "supplier", record.Supplier,
		"service", record.ServiceID, "height", last.Height, "relays", record.Relays,
		"from", from, "reason", last.Reason)
	m.publish(&Moved{Record: record, From: from})
}

func (m *sessionsManager) publish(moved *Moved) {
	// Fails only when the manager has stopped and nobody observes any more.
	_ = m.transitions.Publish(context.Background(), moved)
}

// sealAndClaim fixes the root of a session and goes on to claim it: a claim
// window has few blocks.
func (m *sessionsManager) sealAndClaim(ctx context.Context, tree *liveTree, height int64) (waiter, error) {
	m.drain(ctx, tree)
	_, err := tree.seal(ctx, func(walk func() error) error { return m.compute(ctx, walk) })
	if err != nil {
		return nil, err
	}
	m.published(tree, StateOpen)
	record := tree.snapshot()
	if nextStep(record.State, record.Requirement, *tree.windows(), height) != stepClaim {
		return nil, nil
	}
	return m.claim(ctx, tree)
}

// compute runs work that occupies a core.
func (m *sessionsManager) compute(ctx context.Context, work func() error) error {
	release, err := enter(ctx, m.cores)
	if err != nil {
		return err
	}
	defer release()
	return work()
}

// drain waits until the relays of the session that were published before have
// arrived in the store, as long as a claim window allows: those that are
// slower are refused, and their clients told so.
func (m *sessionsManager) drain(ctx context.Context, tree *liveTree) {
	ctx, cancel := context.WithTimeout(ctx, m.drainTime)
	defer cancel()
	err := m.receipts.Drain(ctx, func(relay *servicetypes.Relay) bool {
		meta := &relay.Req.Meta
		return meta.SupplierOperatorAddress == tree.key.Supplier && meta.SessionHeader.SessionId == tree.key.SessionID
	})
	if err != nil {
		m.log.Warn("session is sealed with relays on their way, which will be refused",
			"session", tree.key.String(), "waited", m.drainTime, "error", err)
	}
}

// onChain says what the chain holds for a session.
type onChain int

const (
	chainNothing onChain = iota // no claim
	chainPending                // a claim with our root, its proof not judged
	chainValid                  // a claim with our root, its proof judged valid
	chainInvalid                // a claim with our root, its proof judged invalid
	chainForeign                // a claim with another root
)

// lookUp asks the chain for the session's claim.
func (m *sessionsManager) lookUp(ctx context.Context, record *Record) (onChain, error) {
	claim, err := m.proofs.Claim(ctx, record.SessionID, record.Supplier)
	if errors.Is(err, relayer.ErrNotFound) {
		return chainNothing, nil
	}
	if err != nil {
		return chainNothing, fmt.Errorf("look claim up: %w", err)
	}
	return judge(claim, record), nil
}

// selfTest proves some leaf of a sealed tree to itself, so that no root is
// claimed that could not be proven.
func (t *sessionTree) selfTest() error {
	root := t.GetClaimRoot()
	if root == nil {
		return relayer.ErrNotSealed.Wrapf("session %s", t.key)
	}
	// Any path will do; this one differs from root to root.
	path := trie.PathOf(root)
	_, _, err := t.prove(path[:])
	return err
}
