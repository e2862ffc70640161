package curve

import (
	"math/bits"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// Half is a number between -2¹²⁸ and 2¹²⁸ exclusively, as a sign and two limbs,
// little endian.
type Half struct {
	Abs   [2]uint64
	Minus bool
}

// maxHalf is the upper eight bits of the largest |a| or |b| that Split returns:
// half of the sum of the larger coordinates of the lattice's two vectors, rounded up.
const maxHalf = 0xa2

// Split returns a and b with s = a + b·λ modulo the order of the group, where λ is the
// cube root of unity that belongs to beta. |a| and |b| are below (maxHalf+1)·2¹²⁰.
//
// (a1, b1) and (a2, b2) are short vectors with a + b·λ = 0 modulo the order; the
// multiples c1 and c2 of them that come closest to (s, 0) leave a short
// difference (Guide to Elliptic Curve Cryptography, algorithm 3.74). The
// differences fit in 192 bits with their sign, so only that many are computed.
func Split(s *secp256k1.ModNScalar) (a, b Half) {
	bz := s.Bytes()
	var k Element // for its limbs alone
	k.setLimbs(&bz)
	c1 := mulShift384(&k, &[4]uint64{0xe893209a45dbb031, 0x3daa8a1471e8ca7f, 0xe86c90e49284eb15, 0x3086d221a7d46bcd})
	c2 := mulShift384(&k, &[4]uint64{0x1571b4ae8ac47f71, 0x221208ac9df506c6, 0x6f547fa90abfe4c4, 0xe4437ed6010e8828})

	var (
		a1      = [3]uint64{0xe86c90e49284eb15, 0x3086d221a7d46bcd}
		minusB1 = [3]uint64{0x6f547fa90abfe4c3, 0xe4437ed6010e8828}
		a2      = [3]uint64{0x57c1108d9d44cfd8, 0x14ca50f7a8e2f3f6, 1}
		b2      = a1
	)
	rest := sub192([3]uint64{k[0], k[1], k[2]}, mul192(c1, a1))
	a = signed(sub192(rest, mul192(c2, a2)))
	b = signed(sub192(mul192(c1, minusB1), mul192(c2, b2)))
	return a, b
}

// mulShift384 returns x·y divided by 2³⁸⁴, rounded to the nearest, where x·y is below
// 2⁵¹² - 2³⁸⁴.
func mulShift384(x *Element, y *[4]uint64) [3]uint64 {
	var t [8]uint64
	for i := range x {
		var carry uint64
		for j := range y {
			h, l := bits.Mul64(x[i], y[j])
			l, c := bits.Add64(l, t[i+j], 0)
			h += c
			t[i+j], c = bits.Add64(l, carry, 0)
			carry = h + c
		}
		t[i+4] = carry
	}
	l, c := bits.Add64(t[6], t[5]>>63, 0)
	return [3]uint64{l, t[7] + c}
}

// mul192 returns x·y modulo 2¹⁹².
func mul192(x, y [3]uint64) [3]uint64 {
	h0, z0 := bits.Mul64(x[0], y[0])
	h1, l1 := bits.Mul64(x[0], y[1])
	h2, l2 := bits.Mul64(x[1], y[0])
	z1, c := bits.Add64(h0, l1, 0)
	z2 := h1 + h2 + c
	z1, c = bits.Add64(z1, l2, 0)
	z2 += c + x[0]*y[2] + x[1]*y[1] + x[2]*y[0]
	return [3]uint64{z0, z1, z2}
}

// sub192 returns x - y modulo 2¹⁹².
func sub192(x, y [3]uint64) [3]uint64 {
	z0, b := bits.Sub64(x[0], y[0], 0)
	z1, b := bits.Sub64(x[1], y[1], b)
	z2, _ := bits.Sub64(x[2], y[2], b)
	return [3]uint64{z0, z1, z2}
}

// signed returns what x is in two's complement.
func signed(x [3]uint64) Half {
	if x[2]>>63 == 0 {
		return Half{Abs: [2]uint64{x[0], x[1]}}
	}
	x = sub192([3]uint64{}, x)
	return Half{Abs: [2]uint64{x[0], x[1]}, Minus: true}
}

// bitsAt returns n bits of |h| from bit i up; n is at most 64, and bits beyond
// the 128th are zero.
func (h *Half) bitsAt(i, n int) uint64 {
	if i >= 128 {
		return 0
	}
	word := h.Abs[i/64] >> (i % 64)
	if i < 64 && i%64 != 0 {
		word |= h.Abs[1] << (64 - i%64)
	}
	return word & (1<<n - 1)
}
