package trie

import (
	"fmt"

	"github.com/pokt-network/smt"
)

// Prove returns the proof, and its encoding for MsgSubmitProof, of the leaf
// closest to path in the trie that consists of leaves and has the given root.
// The path has PathSize bytes; x/proof derives it from the hash of the proof's
// seed block and the session id. The proof has passed Verify and shares no
// memory with path or leaves. Its encoding is not the same in every process
// (encoding/gob), only what it decodes to is.
//
// It fails with ErrMalformed for a path of another length, with ErrRootMismatch
// when the leaves have another root, with ErrEmpty, ErrUnprovable or
// ErrProofSize, and with the errors of ComputeRoot.
func Prove(leaves Leaves, root Root, path []byte) (*smt.SparseCompactMerkleClosestProof, []byte, error) {
	if len(path) != PathSize {
		return nil, nil, fmt.Errorf("%w path: %d bytes, want %d", ErrMalformed, len(path), PathSize)
	}
	o := newOpening([PathSize]byte(path))
	f := newFold(o)
	got, err := f.run(leaves)
	if err != nil {
		return nil, nil, err
	}
	if got != root {
		return nil, nil, fmt.Errorf("%w: have %s, want %s", ErrRootMismatch, got, root)
	}
	if f.leaves == 0 {
		return nil, nil, ErrEmpty
	}
	return seal(o.proof(), root)
}

// seal compacts, verifies and encodes proof.
func seal(proof *smt.SparseMerkleClosestProof, root Root) (*smt.SparseCompactMerkleClosestProof, []byte, error) {
	spec := Spec()
	compact, err := smt.CompactClosestProof(proof, &spec)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: path %x, closest %x: %w", ErrUnprovable, proof.Path, proof.ClosestPath, err)
	}
	ok, err := Verify(root, compact)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: path %x, closest %x: %w", ErrUnprovable, proof.Path, proof.ClosestPath, err)
	}
	if !ok {
		return nil, nil, fmt.Errorf("%w: path %x, closest %x", ErrUnprovable, proof.Path, proof.ClosestPath)
	}
	bz, err := compact.Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("encode proof: %w", err)
	}
	if len(bz) > MaxProofSize {
		return nil, nil, fmt.Errorf("%w: %d bytes", ErrProofSize, len(bz))
	}
	return compact, bz, nil
}
