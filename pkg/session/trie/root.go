package trie

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// RootSize is the length in bytes of a root.
const RootSize = 48

// Root is the root of a trie as it is claimed: hash (32 bytes), sum and count
// (8 bytes each, big-endian). The root of a trie without leaves is the zero
// Root.
type Root [RootSize]byte

const (
	hashEnd = 32
	sumEnd  = 40
)

// ParseRoot returns the root encoded in bz. It fails with ErrMalformed unless bz
// has exactly RootSize bytes.
func ParseRoot(bz []byte) (Root, error) {
	if len(bz) != RootSize {
		return Root{}, fmt.Errorf("%w root: %d bytes, want %d", ErrMalformed, len(bz), RootSize)
	}
	return Root(bz), nil
}

// Hash returns the hash of the topmost node.
func (r Root) Hash() [hashEnd]byte { return [hashEnd]byte(r[:hashEnd]) }

// Sum returns the sum of the weights of all leaves, in compute units.
func (r Root) Sum() uint64 { return binary.BigEndian.Uint64(r[hashEnd:]) }

// Count returns the number of leaves.
func (r Root) Count() uint64 { return binary.BigEndian.Uint64(r[sumEnd:]) }

// String returns the root in lower-case hexadecimal.
func (r Root) String() string { return hex.EncodeToString(r[:]) }

// ComputeRoot returns the root of the trie that consists of leaves.
//
// It fails with ErrNotAscending, with ErrSumOverflow, or with the error that
// ended the stream, wrapped.
func ComputeRoot(leaves Leaves) (Root, error) {
	return newFold(nil).run(leaves)
}
