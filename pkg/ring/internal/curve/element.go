package curve

import (
	"encoding/binary"
	"math/bits"
)

// The field's prime is 2²⁵⁶ - fold.
const (
	fold = 1<<32 + 977

	prime0   = 1<<64 - fold // its lowest limb; the others are all ones
	allOnes  = 1<<64 - 1
	limbs    = 4
	elemSize = 32 // bytes
)

// Element is a number modulo the prime 2²⁵⁶ - 2³² - 977, little endian. A number
// below 2²⁵⁶ - prime has two forms, of which operations may return either; bytes
// and comparisons are of the number. The zero value is zero.
type Element [limbs]uint64

// SetBytes sets z to the big-endian number bz modulo the prime and tells whether
// it was below the prime.
func (z *Element) SetBytes(bz *[32]byte) bool {
	z.setLimbs(bz)
	if z.aboveModulus() {
		z.normalize()
		return false
	}
	return true
}

// setLimbs sets the limbs of z to the big-endian number bz.
func (z *Element) setLimbs(bz *[32]byte) {
	for i := range z {
		z[i] = binary.BigEndian.Uint64(bz[elemSize-8*(i+1):])
	}
}

// PutBytes writes z, big endian.
func (z *Element) PutBytes(bz []byte) {
	n := *z
	n.normalize()
	for i := range n {
		binary.BigEndian.PutUint64(bz[elemSize-8*(i+1):], n[i])
	}
}

// aboveModulus tells whether the limbs are those of a number that is not below
// the prime.
func (z *Element) aboveModulus() bool {
	return z[3]&z[2]&z[1] == allOnes && z[0] >= prime0
}

// normalize makes z the smaller of its number's forms.
func (z *Element) normalize() {
	if z.aboveModulus() {
		*z = Element{z[0] - prime0}
	}
}

// IsZero tells whether z is zero.
func (z *Element) IsZero() bool {
	return z[0]|z[1]|z[2]|z[3] == 0 || z[3]&z[2]&z[1] == allOnes && z[0] == prime0
}

// IsOdd tells whether z, as a number below the prime, is odd.
func (z *Element) IsOdd() bool { return (z[0]&1 == 1) != z.aboveModulus() }

// Equal tells whether z and x are the same number.
func (z *Element) Equal(x *Element) bool {
	var difference Element
	difference.Sub(z, x)
	return difference.IsZero()
}

// Add sets z to x + y.
func (z *Element) Add(x, y *Element) {
	z0, c := bits.Add64(x[0], y[0], 0)
	z1, c := bits.Add64(x[1], y[1], c)
	z2, c := bits.Add64(x[2], y[2], c)
	z3, c := bits.Add64(x[3], y[3], c)
	z0, c = bits.Add64(z0, -c&fold, 0)
	z1, c = bits.Add64(z1, 0, c)
	z2, c = bits.Add64(z2, 0, c)
	z3, c = bits.Add64(z3, 0, c)
	// A second overflow leaves a number below fold.
	z[0], z[1], z[2], z[3] = z0+-c&fold, z1, z2, z3
}

// Sub sets z to x - y.
func (z *Element) Sub(x, y *Element) {
	z0, b := bits.Sub64(x[0], y[0], 0)
	z1, b := bits.Sub64(x[1], y[1], b)
	z2, b := bits.Sub64(x[2], y[2], b)
	z3, b := bits.Sub64(x[3], y[3], b)
	z0, b = bits.Sub64(z0, -b&fold, 0)
	z1, b = bits.Sub64(z1, 0, b)
	z2, b = bits.Sub64(z2, 0, b)
	z3, b = bits.Sub64(z3, 0, b)
	// A second underflow leaves a number of at least 2²⁵⁶ - fold.
	z[0], z[1], z[2], z[3] = z0- -b&fold, z1, z2, z3
}

// Negate sets z to -x.
func (z *Element) Negate(x *Element) {
	var zero Element
	z.Sub(&zero, x)
}

// Mul sets z to x · y.
func (z *Element) Mul(x, y *Element) {
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]

	y0 := y[0]
	h0, t0 := bits.Mul64(x0, y0)
	h1, l1 := bits.Mul64(x1, y0)
	h2, l2 := bits.Mul64(x2, y0)
	t4, l3 := bits.Mul64(x3, y0)
	t1, c := bits.Add64(h0, l1, 0)
	t2, c := bits.Add64(h1, l2, c)
	t3, c := bits.Add64(h2, l3, c)
	t4, _ = bits.Add64(t4, 0, c)

	y1 := y[1]
	h0, l0 := bits.Mul64(x0, y1)
	h1, l1 = bits.Mul64(x1, y1)
	h2, l2 = bits.Mul64(x2, y1)
	t5, l3 := bits.Mul64(x3, y1)
	t1, c = bits.Add64(t1, l0, 0)
	t2, c = bits.Add64(t2, l1, c)
	t3, c = bits.Add64(t3, l2, c)
	t4, c = bits.Add64(t4, l3, c)
	t5, _ = bits.Add64(t5, 0, c)
	t2, c = bits.Add64(t2, h0, 0)
	t3, c = bits.Add64(t3, h1, c)
	t4, c = bits.Add64(t4, h2, c)
	t5, _ = bits.Add64(t5, 0, c)

	y2 := y[2]
	h0, l0 = bits.Mul64(x0, y2)
	h1, l1 = bits.Mul64(x1, y2)
	h2, l2 = bits.Mul64(x2, y2)
	t6, l3 := bits.Mul64(x3, y2)
	t2, c = bits.Add64(t2, l0, 0)
	t3, c = bits.Add64(t3, l1, c)
	t4, c = bits.Add64(t4, l2, c)
	t5, c = bits.Add64(t5, l3, c)
	t6, _ = bits.Add64(t6, 0, c)
	t3, c = bits.Add64(t3, h0, 0)
	t4, c = bits.Add64(t4, h1, c)
	t5, c = bits.Add64(t5, h2, c)
	t6, _ = bits.Add64(t6, 0, c)

	y3 := y[3]
	h0, l0 = bits.Mul64(x0, y3)
	h1, l1 = bits.Mul64(x1, y3)
	h2, l2 = bits.Mul64(x2, y3)
	t7, l3 := bits.Mul64(x3, y3)
	t3, c = bits.Add64(t3, l0, 0)
	t4, c = bits.Add64(t4, l1, c)
	t5, c = bits.Add64(t5, l2, c)
	t6, c = bits.Add64(t6, l3, c)
	t7, _ = bits.Add64(t7, 0, c)
	t4, c = bits.Add64(t4, h0, 0)
	t5, c = bits.Add64(t5, h1, c)
	t6, c = bits.Add64(t6, h2, c)
	t7, _ = bits.Add64(t7, 0, c)

	z.reduce(t0, t1, t2, t3, t4, t5, t6, t7)
}

// Square sets z to x².
func (z *Element) Square(x *Element) {
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]

	// The products of different limbs, which occur twice.
	t2, t1 := bits.Mul64(x0, x1)
	h, l := bits.Mul64(x0, x2)
	t2, c := bits.Add64(t2, l, 0)
	t4, t3 := bits.Mul64(x0, x3)
	t3, c = bits.Add64(t3, h, c)
	t4, _ = bits.Add64(t4, 0, c)
	h, l = bits.Mul64(x1, x2)
	t3, c = bits.Add64(t3, l, 0)
	t4, c = bits.Add64(t4, h, c)
	t5 := c
	h, l = bits.Mul64(x1, x3)
	t4, c = bits.Add64(t4, l, 0)
	t5, c = bits.Add64(t5, h, c)
	t6, l := bits.Mul64(x2, x3)
	t6, _ = bits.Add64(t6, 0, c)
	t5, c = bits.Add64(t5, l, 0)
	t6, _ = bits.Add64(t6, 0, c)

	t7 := t6 >> 63
	t6 = t6<<1 | t5>>63
	t5 = t5<<1 | t4>>63
	t4 = t4<<1 | t3>>63
	t3 = t3<<1 | t2>>63
	t2 = t2<<1 | t1>>63
	t1 <<= 1

	h, t0 := bits.Mul64(x0, x0)
	t1, c = bits.Add64(t1, h, 0)
	h, l = bits.Mul64(x1, x1)
	t2, c = bits.Add64(t2, l, c)
	t3, c = bits.Add64(t3, h, c)
	h, l = bits.Mul64(x2, x2)
	t4, c = bits.Add64(t4, l, c)
	t5, c = bits.Add64(t5, h, c)
	h, l = bits.Mul64(x3, x3)
	t6, c = bits.Add64(t6, l, c)
	t7, _ = bits.Add64(t7, h, c)

	z.reduce(t0, t1, t2, t3, t4, t5, t6, t7)
}

// reduce sets z to a number of eight limbs modulo the prime: what exceeds 2²⁵⁶
// comes back multiplied by fold, twice, since the first time leaves 34 bits too many.
func (z *Element) reduce(t0, t1, t2, t3, t4, t5, t6, t7 uint64) {
	h0, l0 := bits.Mul64(t4, fold)
	h1, l1 := bits.Mul64(t5, fold)
	h2, l2 := bits.Mul64(t6, fold)
	h3, l3 := bits.Mul64(t7, fold)
	t0, c := bits.Add64(t0, l0, 0)
	t1, c = bits.Add64(t1, l1, c)
	t2, c = bits.Add64(t2, l2, c)
	t3, c = bits.Add64(t3, l3, c)
	h3, _ = bits.Add64(h3, 0, c)
	t1, c = bits.Add64(t1, h0, 0)
	t2, c = bits.Add64(t2, h1, c)
	t3, c = bits.Add64(t3, h2, c)
	h3, _ = bits.Add64(h3, 0, c)

	h0, l0 = bits.Mul64(h3, fold)
	t0, c = bits.Add64(t0, l0, 0)
	t1, c = bits.Add64(t1, h0, c)
	t2, c = bits.Add64(t2, 0, c)
	t3, c = bits.Add64(t3, 0, c)
	// A further overflow leaves a number below 2⁶⁷, its lowest limb below 2⁶⁴ - fold or not.
	t0, c = bits.Add64(t0, -c&fold, 0)
	t1, _ = bits.Add64(t1, 0, c)
	z[0], z[1], z[2], z[3] = t0, t1, t2, t3
}
