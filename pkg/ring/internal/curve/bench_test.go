package curve_test

import (
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// BenchmarkAgainstDecred measures what verification consists of: multiplications in
// the field, and additions of an affine point.
func BenchmarkAgainstDecred(b *testing.B) {
	p, q := affine(b, big.NewInt(1_000_003)), affine(b, big.NewInt(2_000_003))
	theirP, theirQ := multiple(big.NewInt(1_000_003)), multiple(big.NewInt(2_000_003))
	var sum curve.Point
	sum.Set(&p)
	var theirSum secp256k1.JacobianPoint
	secp256k1.DoubleNonConst(&theirP, &theirSum)
	for _, c := range []struct {
		name string
		op   func()
	}{
		{"mul/decred", func() { theirP.X.Mul(&theirQ.X) }},
		{"mul/ours", func() { p.X.Mul(&p.X, &q.X) }},
		{"square/decred", func() { theirP.Y.Square() }},
		{"square/ours", func() { p.Y.Square(&p.Y) }},
		{"invert/decred", func() { theirP.Y.Inverse() }},
		{"invert/ours", func() { p.Y.Invert(&p.Y) }},
		{"add/decred", func() { secp256k1.AddNonConst(&theirSum, &theirQ, &theirSum) }},
		{"add/ours", func() { sum.Add(&q, false) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				c.op()
			}
		})
	}
}
