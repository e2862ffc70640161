package ring_test

import (
	"crypto/sha3"
	"encoding/binary"
	"math/big"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// craft makes a signature with numbers of the test's choice, where a signer takes
// random ones. It computes with decred alone.
type craft struct {
	members []uint64              // private keys
	signer  int                   // which of them signs
	nonce   *secp256k1.ModNScalar // of the signer
	others  *secp256k1.ModNScalar // the scalar of every other member
}

func scalar(n uint64) *secp256k1.ModNScalar {
	var s secp256k1.ModNScalar
	s.SetByteSlice(binary.BigEndian.AppendUint64(nil, n))
	return &s
}

// hashed returns the point that n·G is hashed to.
func hashed(tb testing.TB, n uint64) (p secp256k1.JacobianPoint) {
	tb.Helper()
	hash := sha3.Sum256(publicKey(n))
	for range 128 {
		var x, y secp256k1.FieldVal
		if x.SetBytes(&hash); secp256k1.DecompressY(&x, false, &y) {
			return secp256k1.MakeJacobianPoint(&x, y.Normalize(), new(secp256k1.FieldVal).SetInt(1))
		}
		hash = sha3.Sum256(hash[:])
	}
	tb.Fatalf("%d·G is hashed to no point", n)
	return p
}

// compressed returns p as ring-go encodes it.
func compressed(p *secp256k1.JacobianPoint) []byte {
	p.ToAffine()
	return secp256k1.NewPublicKey(&p.X, &p.Y).SerializeCompressed()
}

// combined returns s·p + c·q, compressed.
func combined(s *secp256k1.ModNScalar, p *secp256k1.JacobianPoint, c *secp256k1.ModNScalar, q *secp256k1.JacobianPoint) []byte {
	var a, b, sum secp256k1.JacobianPoint
	secp256k1.ScalarMultNonConst(s, p, &a)
	secp256k1.ScalarMultNonConst(c, q, &b)
	secp256k1.AddNonConst(&a, &b, &sum)
	return compressed(&sum)
}

// challenged returns the hash of a message and two points as a number, and how many
// bytes the number has before it is aligned.
func challenged(message [32]byte, l, r []byte) (*secp256k1.ModNScalar, int) {
	hash := sha3.Sum512(slices.Concat(message[:], l, r))
	n := new(big.Int).SetBytes(hash[:])
	bz := n.Mod(n, secp256k1.Params().N).Bytes()
	var aligned [32]byte
	copy(aligned[:], bz)
	var c secp256k1.ModNScalar
	c.SetBytes(&aligned)
	return &c, len(bz)
}

func baseJacobian(n uint64) (p secp256k1.JacobianPoint) {
	secp256k1.ScalarBaseMultNonConst(scalar(n), &p)
	p.ToAffine()
	return p
}

// sign returns a signature of message.
func (k craft) sign(tb testing.TB, message [32]byte) []byte {
	tb.Helper()
	size := len(k.members)
	secret := k.members[k.signer]
	generator, own := baseJacobian(1), hashed(tb, secret)
	var image secp256k1.JacobianPoint
	secp256k1.ScalarMultNonConst(scalar(secret), &own, &image)
	image.ToAffine()

	challenges := make([]*secp256k1.ModNScalar, size)
	none := new(secp256k1.ModNScalar)
	c, _ := challenged(message, combined(k.nonce, &generator, none, &generator), combined(k.nonce, &own, none, &own))
	for i := range size {
		at := (k.signer + 1 + i) % size
		challenges[at] = c
		if at == k.signer {
			break
		}
		key, hash := baseJacobian(k.members[at]), hashed(tb, k.members[at])
		c, _ = challenged(message, combined(k.others, &generator, c, &key), combined(k.others, &hash, c, &image))
	}
	var response secp256k1.ModNScalar // nonce - c·secret
	response.Mul2(challenges[k.signer], scalar(secret)).Negate().Add(k.nonce)

	bz := binary.BigEndian.AppendUint32(nil, uint32(size))
	first := challenges[0].Bytes()
	bz = slices.Concat(bz, first[:], compressed(&image))
	for i, member := range k.members {
		s := k.others.Bytes()
		if i == k.signer {
			s = response.Bytes()
		}
		bz = slices.Concat(bz, s[:], publicKey(member))
	}
	return bz
}

// shortChallenge returns a message, counting from n, for which the challenge after
// the signer has at most the given number of bytes before it is aligned.
func (k craft) shortChallenge(tb testing.TB, n uint64, bytes int) [32]byte {
	tb.Helper()
	generator, own, none := baseJacobian(1), hashed(tb, k.members[k.signer]), new(secp256k1.ModNScalar)
	l, r := combined(k.nonce, &generator, none, &generator), combined(k.nonce, &own, none, &own)
	for {
		message := sha3.Sum256(binary.BigEndian.AppendUint64(nil, n))
		if _, length := challenged(message, l, r); length <= bytes {
			return message
		}
		n++
	}
}
