package session

import (
	"context"
	"fmt"

	"github.com/pokt-network/smt"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/session/prover"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// LocalProvers returns n provers on this machine, for a pool.
func LocalProvers(n int) ([]prover.Member, error) {
	members := make([]prover.Member, 0, n)
	for i := range n {
		local, err := prover.NewLocal(prover.Build)
		if err != nil {
			return nil, err
		}
		members = append(members, prover.Member{ID: fmt.Sprintf("local-%d", i+1), Prover: local, Local: true})
	}
	return members, nil
}

// ensureProvers makes the pool that is used if none was given.
func (m *sessionsManager) ensureProvers() error {
	if m.provers != nil {
		return nil
	}
	members, err := LocalProvers(async.Cores())
	if err != nil {
		return err
	}
	m.provers, err = prover.NewPool(prover.Config{Members: members, Verify: prover.Check, Log: m.log})
	m.ownProvers = err == nil
	return err
}

// buildProof has the proof for a path built by a prover, for which it waits before
// anything is read.
func (m *sessionsManager) buildProof(
	ctx context.Context, tree *liveTree, path []byte,
) (*smt.SparseCompactMerkleClosestProof, error) {
	return tree.proveBy(path, func(path []byte) (*smt.SparseCompactMerkleClosestProof, []byte, error) {
		lease, err := m.provers.Acquire(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("wait for a prover: %w", err)
		}
		root, err := trie.ParseRoot(tree.GetClaimRoot())
		if err != nil {
			lease.Release()
			return nil, nil, err
		}
		bz, err := lease.Prove(ctx, prover.Job{
			Session: tree.key.String(), Root: root, Path: [trie.PathSize]byte(path), Leaves: tree.leaves(),
		})
		if err != nil {
			return nil, nil, err
		}
		proof, err := trie.Decode(bz)
		return proof, bz, err
	})
}
