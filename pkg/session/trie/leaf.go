package trie

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"math/bits"
)

// PathSize is the length in bytes of the path of a leaf.
const PathSize = sha256.Size

// Leaf is one leaf of the trie: a mined relay.
type Leaf struct {
	// Path is the leaf's place in the trie; see PathOf.
	Path [PathSize]byte
	// Weight is the leaf's share in the sum of the root, in compute units.
	Weight uint64
	// Value is what the leaf holds: the relay's encoding. It is valid during
	// the leaf's step of the stream only, so that a producer can use one
	// buffer for all leaves. It is not changed.
	//
	// A leaf with an empty value and no weight counts in the root but cannot be
	// proven, because the verifier takes it for an absent one.
	Value []byte
}

// Leaves is a stream of leaves with strictly ascending paths. A non-nil error
// ends the stream; the leaf beside it is ignored. Each function of the package
// ranges over it once.
type Leaves = iter.Seq2[Leaf, error]

// PathOf returns the path of the leaf whose key is a relay's hash. The hash is
// hashed once more (smt: SMST.Update).
func PathOf(key []byte) [PathSize]byte {
	return sha256.Sum256(key)
}

// bit returns the bit of path that decides at depth, counted from the most
// significant bit of the first byte: 0 leads to the left, 1 to the right.
func bit(path *[PathSize]byte, depth int) byte {
	return path[depth/8] >> (7 - depth%8) & 1
}

// parting returns the depth of the first bit in which b differs from a, and
// whether b comes after a. For equal paths that is maxDepth and false.
func parting(a, b *[PathSize]byte) (depth int, ascending bool) {
	for i := 0; i < PathSize; i += 8 {
		x, y := binary.BigEndian.Uint64(a[i:]), binary.BigEndian.Uint64(b[i:])
		if x != y {
			return 8*i + bits.LeadingZeros64(x^y), x < y
		}
	}
	return maxDepth, false
}
