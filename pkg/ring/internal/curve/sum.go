package curve

import "github.com/decred/dcrd/dcrec/secp256k1/v4"

// Multiplier is a number modulo the group's order, in halves.
type Multiplier struct{ a, b Half } // a + b·λ

// NewMultiplier returns s in halves.
func NewMultiplier(s *secp256k1.ModNScalar) (m Multiplier) {
	m.a, m.b = Split(s)
	return m
}

// Base is a point by its multiples: by Comb unless that is nil, else by Odd.
type Base struct {
	Comb *Comb
	Odd  *Odd
}

// Sum sets sum to m·p + n·q.
func Sum(sum *Point, m *Multiplier, p Base, n *Multiplier, q Base) {
	*sum = Point{}
	sumOdd(sum, m, p, n, q)
	if p.Comb == nil && q.Comb == nil {
		return
	}
	var lambda Point // summed without the λ
	addCombs(sum, &lambda, m, p.Comb, n, q.Comb)
	beta := beta()
	lambda.X.Mul(&lambda.X, &beta)
	sum.AddPoint(&lambda)
}

// addCombs adds the products with bases that have a comb: those with
// a to sum, those with b, but without λ, to lambda.
func addCombs(sum, lambda *Point, m *Multiplier, p *Comb, n *Multiplier, q *Comb) {
	var ma, mb, na, nb digits
	var seen uint64
	if p != nil {
		ma, mb = p.recode(&m.a), p.recode(&m.b)
		seen = p.touch(&ma) ^ p.touch(&mb)
	}
	if q != nil {
		na, nb = q.recode(&n.a), q.recode(&n.b)
		seen ^= q.touch(&na) ^ q.touch(&nb)
	}
	keep(seen)
	if p != nil {
		p.add(sum, &ma)
		p.add(lambda, &mb)
	}
	if q != nil {
		q.add(sum, &na)
		q.add(lambda, &nb)
	}
}

// keep keeps the compiler from leaving out what x is computed from.
//
//go:noinline
func keep(uint64) {}

// sumOdd sets sum to the products with bases that have no comb.
func sumOdd(sum *Point, m *Multiplier, p Base, n *Multiplier, q Base) {
	var (
		digits  [4]naf
		odds    [4]*Odd
		count   int
		longest int
	)
	use := func(o *Odd, m *Multiplier) {
		longest = max(longest, digits[count].recode(&m.a), digits[count+1].recode(&m.b))
		odds[count], odds[count+1] = o, o
		count += 2
	}
	if p.Comb == nil {
		use(p.Odd, m)
	}
	if q.Comb == nil {
		use(q.Odd, n)
	}
	for i := longest - 1; i >= 0; i-- {
		sum.Double()
		for j := range count {
			if digit := digits[j][i]; digit != 0 {
				odds[j].add(sum, digit, j%2 == 1)
			}
		}
	}
}
