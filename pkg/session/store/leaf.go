package store

import (
	"encoding/binary"
	"fmt"
)

// Leaf is one relay as it hangs in its session's trie.
type Leaf struct {
	// Path is the leaf's place in the trie: the SHA-256 of the relay's hash.
	Path [PathLen]byte
	// Weight is the leaf's share of the trie's sum, in compute units.
	Weight uint64
	// Relay is the canonical encoding of the relay.
	Relay []byte
}

// A leaf's value begins with a byte of flags, all of which are reserved, and
// the weight.
const leafHeaderLen = 1 + 8

// encodeLeaf writes the value of the leaf to dst, which has the length
// leafHeaderLen + len(l.Relay).
func encodeLeaf(dst []byte, l *Leaf) {
	dst[0] = 0
	binary.BigEndian.PutUint64(dst[1:], l.Weight)
	copy(dst[leafHeaderLen:], l.Relay)
}

// decodeLeaf reads the value of a leaf, given its path. The relay of the leaf
// is a part of value.
func decodeLeaf(path, value []byte) (Leaf, error) {
	if len(path) != PathLen {
		return Leaf{}, fmt.Errorf("path of %d bytes", len(path))
	}
	if len(value) < leafHeaderLen {
		return Leaf{}, fmt.Errorf("leaf %x has %d bytes", path, len(value))
	}
	if value[0] != 0 {
		return Leaf{}, fmt.Errorf("leaf %x has unknown flags %#x", path, value[0])
	}
	return Leaf{
		Path:   [PathLen]byte(path),
		Weight: binary.BigEndian.Uint64(value[1:]),
		Relay:  value[leafHeaderLen:],
	}, nil
}
