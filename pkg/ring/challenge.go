package ring

import (
	"crypto/sha3"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// challengeOf returns the challenge that follows from a member's two points: their
// hash, together with the message, as a number. It returns false where
// ring-go would panic, which no known input makes it do.
//
// The number is the hash modulo the group's order, but written without leading zero
// bytes and read with zero bytes after it instead (go-dleq, HashToScalar with
// its default backend).
func challengeOf(preimage []byte, c *secp256k1.ModNScalar) bool {
	hash := sha3.Sum512(preimage)
	var low secp256k1.ModNScalar
	c.SetByteSlice(hash[:scalarSize])
	low.SetByteSlice(hash[scalarSize:])
	wrapped := wrap()
	c.Mul(&wrapped).Add(&low)
	return alignLeft(c)
}

// wrap returns 2²⁵⁶ modulo the group's order.
func wrap() (s secp256k1.ModNScalar) {
	s.SetByteSlice([]byte{
		0x01, 0x45, 0x51, 0x23, 0x19, 0x50, 0xb7, 0x5f, 0xc4,
		0x40, 0x2d, 0xa1, 0x73, 0x2f, 0xc9, 0xbe, 0xbf,
	})
	return s
}

// alignLeft moves the leading zero bytes of c behind the others. It returns
// false if the number then is not below the group's order.
func alignLeft(c *secp256k1.ModNScalar) bool {
	bz := c.Bytes()
	if bz[0] != 0 {
		return true
	}
	var aligned [scalarSize]byte
	for i, b := range bz {
		if b != 0 {
			copy(aligned[:], bz[i:])
			break
		}
	}
	return c.SetBytes(&aligned) == 0
}

// maxHashes is how often a key is hashed until the hash is the x of a point. Half
// of all hashes are.
const maxHashes = 128

// hashToCurve sets h to the point that a compressed key is hashed to: the first of
// its repeated hashes that is the x of a point, with the even y. It returns false
// if none is (ring-go, hashToCurve).
func hashToCurve(h *curve.Affine, key []byte) bool {
	hash := sha3.Sum256(key)
	for range maxHashes {
		var x curve.Element
		x.SetBytes(&hash)
		if h.Lift(&x, false) {
			return true
		}
		hash = sha3.Sum256(hash[:])
	}
	return false
}
