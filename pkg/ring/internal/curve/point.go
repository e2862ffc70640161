package curve

// EncodedSize is the length in bytes of a compressed point.
const EncodedSize = 33

// Affine is a point other than infinity, by its coordinates.
type Affine struct{ X, Y Element }

// Point is a point in XYZZ coordinates: x = X/ZZ, y = Y/ZZZ, where ZZ³ = ZZZ². It
// is infinity if ZZ is zero, as in the zero value.
type Point struct{ X, Y, ZZ, ZZZ Element }

// Generator returns the base point of the group.
func Generator() Affine {
	return Affine{
		X: Element{0x59f2815b16f81798, 0x029bfcdb2dce28d9, 0x55a06295ce870b07, 0x79be667ef9dcbbac},
		Y: Element{0x9c47d08ffb10d4b8, 0xfd17b448a6855419, 0x5da4fbfc0e1108a8, 0x483ada7726a3c465},
	}
}

// Decode sets p to a compressed point and returns true, or returns false
// if bz is none: 33 bytes, of which the first is 2 or 3, and the others a number
// below the prime that is the x of a point.
func (p *Affine) Decode(bz []byte) bool {
	if len(bz) != EncodedSize || bz[0] != 2 && bz[0] != 3 {
		return false
	}
	var x Element
	return x.SetBytes((*[32]byte)(bz[1:])) && p.Lift(&x, bz[0] == 3)
}

// Lift sets p to the point with the given x whose y has the given parity, and
// returns true, or returns false if no point has that x. There is no point with a
// y of zero, since the group's order is odd.
func (p *Affine) Lift(x *Element, odd bool) bool {
	var rhs, y Element
	rhs.Square(x)
	rhs.Mul(&rhs, x)
	rhs.Add(&rhs, &Element{7})
	if !y.Sqrt(&rhs) {
		return false
	}
	if y.IsOdd() != odd {
		y.Negate(&y)
	}
	*p = Affine{X: *x, Y: y}
	return true
}

// Encode writes p, compressed.
func (p *Affine) Encode(bz *[EncodedSize]byte) {
	bz[0] = 2
	if p.Y.IsOdd() {
		bz[0] = 3
	}
	p.X.PutBytes(bz[1:])
}

// Set sets p to q.
func (p *Point) Set(q *Affine) {
	*p = Point{X: q.X, Y: q.Y, ZZ: Element{1}, ZZZ: Element{1}}
}

// IsInfinity tells whether p is the point at infinity.
func (p *Point) IsInfinity() bool { return p.ZZ.IsZero() }

// Double sets p to 2·p (dbl-2008-s-1).
func (p *Point) Double() {
	var u, v, w, s, m, t Element
	u.Add(&p.Y, &p.Y)
	v.Square(&u)
	w.Mul(&u, &v)
	s.Mul(&p.X, &v)
	m.Square(&p.X)
	t.Add(&m, &m)
	m.Add(&m, &t)
	p.X.Square(&m)
	p.X.Sub(&p.X, &s)
	p.X.Sub(&p.X, &s)
	s.Sub(&s, &p.X)
	s.Mul(&s, &m)
	p.Y.Mul(&p.Y, &w)
	p.Y.Sub(&s, &p.Y)
	p.ZZ.Mul(&p.ZZ, &v)
	p.ZZZ.Mul(&p.ZZZ, &w)
}

// Add sets p to p + q, or to p - q if minus (madd-2008-s).
func (p *Point) Add(q *Affine, minus bool) {
	p.addXY(&q.X, &q.Y, minus)
}

// addXY is Add of the point (x, y).
func (p *Point) addXY(x, y *Element, minus bool) {
	var negated Element
	if minus {
		negated.Negate(y)
		y = &negated
	}
	if p.IsInfinity() {
		p.Set(&Affine{*x, *y})
		return
	}
	var h, r, hh, hhh, t Element
	h.Mul(x, &p.ZZ)
	h.Sub(&h, &p.X)
	r.Mul(y, &p.ZZZ)
	r.Sub(&r, &p.Y)
	if h.IsZero() {
		p.addSameX(r.IsZero())
		return
	}
	hh.Square(&h)
	hhh.Mul(&h, &hh)
	p.ZZ.Mul(&p.ZZ, &hh)
	p.ZZZ.Mul(&p.ZZZ, &hhh)
	t.Mul(&p.X, &hh)
	p.finishAdd(&r, &hhh, &t)
}

// addSameX adds to p a point with the same x: p itself or its opposite.
func (p *Point) addSameX(same bool) {
	if same {
		p.Double()
		return
	}
	*p = Point{}
}

// finishAdd sets X and Y of a sum, where r is the difference of the y, hhh the
// cube of the difference of the x and t the x of p by the square of that,
// all in the denominators of the sum. Y still is that of p.
func (p *Point) finishAdd(r, hhh, t *Element) {
	var x3 Element
	x3.Square(r)
	x3.Sub(&x3, hhh)
	x3.Sub(&x3, t)
	x3.Sub(&x3, t)
	t.Sub(t, &x3)
	t.Mul(t, r)
	p.Y.Mul(&p.Y, hhh)
	p.Y.Sub(t, &p.Y)
	p.X = x3
}

// AddPoint sets p to p + q (add-2008-s).
func (p *Point) AddPoint(q *Point) {
	if q.IsInfinity() {
		return
	}
	if p.IsInfinity() {
		*p = *q
		return
	}
	var h, r, hh, hhh, t Element
	t.Mul(&p.X, &q.ZZ)
	h.Mul(&q.X, &p.ZZ)
	h.Sub(&h, &t)
	p.Y.Mul(&p.Y, &q.ZZZ)
	r.Mul(&q.Y, &p.ZZZ)
	r.Sub(&r, &p.Y)
	if h.IsZero() {
		if r.IsZero() {
			*p = *q
		}
		p.addSameX(r.IsZero())
		return
	}
	hh.Square(&h)
	hhh.Mul(&h, &hh)
	t.Mul(&t, &hh)
	p.ZZ.Mul(&p.ZZ, &q.ZZ)
	p.ZZ.Mul(&p.ZZ, &hh)
	p.ZZZ.Mul(&p.ZZZ, &q.ZZZ)
	p.ZZZ.Mul(&p.ZZZ, &hhh)
	p.finishAdd(&r, &hhh, &t)
}
