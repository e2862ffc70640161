package trie

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/pokt-network/smt"
)

// MaxProofSize is the size in bytes above which an encoded proof is neither
// returned nor decoded. A block of CometBFT's default parameters has 21 MiB at
// most, so that no larger proof could be sent.
const MaxProofSize = 32 << 20

// Spec returns the specification by which x/proof verifies proofs. It is a fresh
// one at each call, since those who use one share its hasher and therefore must
// not do so concurrently.
func Spec() smt.TrieSpec {
	return smt.NewTrieSpec(sha256.New(), true, smt.WithValueHasher(nil))
}

// Verify reports whether proof shows the leaf closest to its path in the trie
// with the given root. It fails with ErrMalformed when proof cannot be the proof
// of a leaf of any trie.
//
// It is stricter than the library's verifier, which takes the prover's word for
// it that the leaf is the closest one, and passes proofs that a leaf is absent.
func Verify(root Root, proof *smt.SparseCompactMerkleClosestProof) (bool, error) {
	if err := wellFormed(proof); err != nil {
		return false, err
	}
	spec := Spec()
	full, err := smt.DecompactClosestProof(proof, &spec)
	if err != nil {
		return false, fmt.Errorf("%w proof: %w", ErrMalformed, err)
	}
	// The library writes into the array behind this slice.
	full.ClosestValueHash = slices.Clone(full.ClosestValueHash)
	ok, err := smt.VerifyClosestProof(full, root[:], &spec)
	if err != nil {
		return false, fmt.Errorf("%w proof: %w", ErrMalformed, err)
	}
	return ok && isClosest(full), nil
}

// Decode returns the proof encoded in bz, which need not be trusted. The proof
// has the form that Verify demands, but is not verified. It fails with
// ErrProofSize or ErrMalformed.
func Decode(bz []byte) (_ *smt.SparseCompactMerkleClosestProof, err error) {
	if len(bz) > MaxProofSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrProofSize, len(bz))
	}
	// encoding/gob does not promise to withstand hostile input.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w proof: decoder panicked: %v", ErrMalformed, r)
		}
	}()
	proof := new(smt.SparseCompactMerkleClosestProof)
	if err := proof.Unmarshal(bz); err != nil {
		return nil, fmt.Errorf("%w proof: %w", ErrMalformed, err)
	}
	if err := wellFormed(proof); err != nil {
		return nil, err
	}
	return proof, nil
}

// wellFormed checks what the library takes for granted when it indexes into a
// proof, and that the proof is of a leaf that is there.
func wellFormed(proof *smt.SparseCompactMerkleClosestProof) error {
	if proof == nil || proof.ClosestProof == nil {
		return fmt.Errorf("%w proof: nil", ErrMalformed)
	}
	if len(proof.Path) != PathSize || len(proof.ClosestPath) != PathSize {
		return fmt.Errorf("%w proof: paths of %d and %d bytes, want %d",
			ErrMalformed, len(proof.Path), len(proof.ClosestPath), PathSize)
	}
	for _, b := range proof.FlippedBits {
		if len(b) != 1 {
			return fmt.Errorf("%w proof: flipped bit %x outside of path", ErrMalformed, b)
		}
	}
	value := proof.ClosestValueHash
	if len(value) < weightSize {
		return fmt.Errorf("%w proof: leaf of %d bytes has no weight and count", ErrMalformed, len(value))
	}
	if len(value) == weightSize && binary.BigEndian.Uint64(value) == 0 {
		return fmt.Errorf("%w proof: leaf without value and weight", ErrMalformed)
	}
	return inclusionWellFormed(proof.ClosestProof)
}

// inclusionWellFormed is wellFormed for the part of a proof that leads from the
// leaf to the root.
func inclusionWellFormed(proof *smt.SparseCompactMerkleProof) error {
	if proof.NonMembershipLeafData != nil {
		return fmt.Errorf("%w proof: of an absent leaf", ErrMalformed)
	}
	for _, side := range proof.SideNodes {
		if len(side) != RootSize {
			return fmt.Errorf("%w proof: side node of %d bytes, want %d", ErrMalformed, len(side), RootSize)
		}
	}
	if !isMask(proof.BitMask, proof.NumSideNodes, len(proof.SideNodes)) {
		return fmt.Errorf("%w proof: bit mask %x for %d side nodes, %d of them given",
			ErrMalformed, proof.BitMask, proof.NumSideNodes, len(proof.SideNodes))
	}
	if proof.SiblingData != nil && !isNode(proof.SiblingData) {
		return fmt.Errorf("%w proof: sibling of %d bytes is not a node", ErrMalformed, len(proof.SiblingData))
	}
	return nil
}

// isMask reports whether mask has one bit for each of total side nodes, set but
// for given of them, and no bit beyond those.
func isMask(mask []byte, total, given int) bool {
	if total < 0 || total > maxDepth || len(mask) != (total+7)/8 {
		return false
	}
	set := 0
	for _, b := range mask {
		set += bits.OnesCount8(b)
	}
	if rest := total % 8; rest != 0 && mask[len(mask)-1]<<rest != 0 {
		return false
	}
	return set+given == total
}

// isNode reports whether bz has the form of an encoded node.
func isNode(bz []byte) bool {
	if len(bz) == 0 {
		return false
	}
	switch bz[0] {
	case leafKind:
		return len(bz) >= leafMinSize
	case innerKind:
		return len(bz) == innerSize
	case extensionKind:
		return len(bz) == extensionSize
	default:
		return false
	}
}

// isClosest reports whether the way to the leaf of proof leaves its path only
// where the other side is empty.
func isClosest(proof *smt.SparseMerkleClosestProof) bool {
	path, closest := [PathSize]byte(proof.Path), [PathSize]byte(proof.ClosestPath)
	sides := proof.ClosestProof.SideNodes
	var none Root
	for i, side := range sides {
		depth := len(sides) - 1 - i
		if bit(&path, depth) != bit(&closest, depth) && !bytes.Equal(side, none[:]) {
			return false
		}
	}
	return true
}
