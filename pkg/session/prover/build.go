package prover

import (
	"bytes"
	"context"
	"errors"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

var (
	errOtherPath = errors.New("proof is for another path")
	errOtherRoot = errors.New("proof is for another root, or not of the closest leaf")
)

// Build is the Func that builds proofs as the chain demands them (trie.Prove). It
// stops at the next leaf when ctx is done, and fails with trie's errors.
func Build(ctx context.Context, job Job) ([]byte, error) {
	_, bz, err := trie.Prove(heeding(ctx, job.Leaves), job.Root, job.Path[:])
	return bz, err
}

// heeding ends a stream of leaves when ctx is done.
func heeding(ctx context.Context, leaves trie.Leaves) trie.Leaves {
	return func(yield func(trie.Leaf, error) bool) {
		for leaf, err := range leaves {
			if ctx.Err() != nil {
				yield(trie.Leaf{}, context.Cause(ctx))
				return
			}
			if !yield(leaf, err) {
				return
			}
		}
	}
}

// Check verifies a proof as the chain will (trie.Verify): that it shows the leaf
// closest to the job's path in the tree with the job's root. The proof need not be
// trusted. It fails with trie's errors for what is no proof.
func Check(job Job, proof []byte) error {
	decoded, err := trie.Decode(proof)
	if err != nil {
		return err
	}
	if !bytes.Equal(decoded.Path, job.Path[:]) {
		return errOtherPath
	}
	ok, err := trie.Verify(job.Root, decoded)
	if err != nil {
		return err
	}
	if !ok {
		return errOtherRoot
	}
	return nil
}
