package curve

import "math/bits"

// Invert sets z to the inverse of x, and to zero for zero.
//
// It takes the division steps of Bernstein and Yang (Fast constant-time gcd
// computation and modular inversion, 2019) 62 at a time, skipping over what their
// fixed sequence would do for runs of zeros, and keeps d·x = f and e·x = g modulo the
// prime until g is zero and f is 1 or -1.
func (z *Element) Invert(x *Element) {
	g := newWide(x)
	f := wide{-fold, 0, 0, 0, 1 << (256 - 4*wideBits)} // the prime
	d, e := Element{}, Element{1}
	for delta := int64(1); g != (wide{}); {
		var t matrix
		delta, t = divisionSteps(delta, f[0], g[0])
		f, g = f.combine(t.u, &g, t.v), f.combine(t.q, &g, t.r)
		d, e = d.combine(t.u, &e, t.v), d.combine(t.q, &e, t.r)
	}
	if f[4] < 0 {
		d.Negate(&d)
	}
	*z = d
}

// matrix takes (f, g) to 2⁶² times what it is after 62 division steps:
// (u·f + v·g, q·f + r·g). |u| + |v| and |q| + |r| are at most 2⁶².
type matrix struct{ u, v, q, r int64 }

// divisionSteps does 62 division steps with the lowest 62 bits of f and g, of which f is
// odd. A step is
//
//	(δ, f, g) → (1-δ, g, (g-f)/2)            if δ > 0 and g is odd,
//	(δ, f, g) → (1+δ, f, (g + (g mod 2)·f)/2) otherwise.
func divisionSteps(delta, f, g int64) (int64, matrix) {
	t := matrix{u: 1, r: 1}
	for left := wideBits; ; {
		zeros := bits.TrailingZeros64(uint64(g) | 1<<left)
		g >>= zeros
		t.u <<= zeros
		t.v <<= zeros
		delta += int64(zeros)
		left -= zeros
		if left == 0 {
			return delta, t
		}
		if delta > 0 {
			delta = -delta
			f, g = g, -f
			t.u, t.q = t.q, -t.u
			t.v, t.r = t.r, -t.v
		}
		// f stays until δ exceeds zero, so that as many bits of g can be cleared at once: six
		// at most, since f·(f²-2) is -1/f modulo 2⁶ only.
		clear := min(int64(left), 1-delta, 6)
		w := g * f * (f*f - 2) & (1<<clear - 1)
		g += f * w
		t.q += t.u * w
		t.r += t.v * w
	}
}

// wideBits is how many bits a limb of a wide has, except for the highest.
const wideBits = 62

// wide is a number between -2²⁵⁷ and 2²⁵⁷ by limbs of 62 bits, of which the
// highest has the sign and the lowest may be negative.
type wide [5]int64

const wideMask = 1<<wideBits - 1

func newWide(x *Element) wide {
	n := *x
	n.normalize()
	return wide{
		int64(n[0] & wideMask),
		int64((n[0]>>62 | n[1]<<2) & wideMask),
		int64((n[1]>>60 | n[2]<<4) & wideMask),
		int64((n[2]>>58 | n[3]<<6) & wideMask),
		int64(n[3] >> 56),
	}
}

// combine returns (m·x + n·y)/2⁶², which must be whole.
func (x *wide) combine(m int64, y *wide, n int64) (z wide) {
	var sum int128
	sum.add(m, x[0])
	sum.add(n, y[0])
	sum.shift()
	for i := 1; i < len(z); i++ {
		sum.add(m, x[i])
		sum.add(n, y[i])
		z[i-1] = int64(sum.low & wideMask)
		sum.shift()
	}
	z[4] = int64(sum.low)
	return z
}

// int128 is a number of 128 bits in two's complement.
type int128 struct {
	low  uint64
	high int64
}

// add adds x·y.
func (a *int128) add(x, y int64) {
	h, l := bits.Mul64(uint64(x), uint64(y))
	high := int64(h) - x>>63&y - y>>63&x
	low, carry := bits.Add64(a.low, l, 0)
	a.low, a.high = low, a.high+high+int64(carry)
}

// shift divides by 2⁶², rounding down.
func (a *int128) shift() {
	a.low = a.low>>wideBits | uint64(a.high)<<(64-wideBits)
	a.high >>= wideBits
}

// combine returns (m·x + n·y)/2⁶² modulo the prime. A multiple of the prime
// makes the division exact; |m| + |n| is at most 2⁶².
func (x *Element) combine(m int64, y *Element, n int64) (z Element) {
	a, b := *x, *y
	if m < 0 {
		a.Negate(x)
		m = -m
	}
	if n < 0 {
		b.Negate(y)
		n = -n
	}
	var t [limbs + 1]uint64
	var carry uint64
	for i := range a {
		ha, la := bits.Mul64(a[i], uint64(m))
		hb, lb := bits.Mul64(b[i], uint64(n))
		l, c := bits.Add64(la, lb, 0)
		h := ha + hb + c
		t[i], c = bits.Add64(l, carry, 0)
		carry = h + c
	}
	t[4] = carry

	// k·prime = k·2²⁵⁶ - k·fold, where k makes the lowest 62 bits zero.
	const inverseOfFold = 0x1838091dd2253531 // modulo 2⁶²
	k := t[0] * inverseOfFold & wideMask
	h, l := bits.Mul64(k, fold)
	t0, borrow := bits.Sub64(t[0], l, 0)
	t1, borrow := bits.Sub64(t[1], h, borrow)
	t2, borrow := bits.Sub64(t[2], 0, borrow)
	t3, borrow := bits.Sub64(t[3], 0, borrow)
	t4 := t[4] + k - borrow

	z = Element{t0>>62 | t1<<2, t1>>62 | t2<<2, t2>>62 | t3<<2, t3>>62 | t4<<2}
	z.Add(&z, &Element{t4 >> 62 * fold})
	return z
}
