package curve_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// BenchmarkAgainstDecred measures what verification consists of, in turns with decred: operations
// in the field, and the addition of an affine point. It reports the times of the
// quick batches, so that it says something on a busy machine too.
func BenchmarkAgainstDecred(b *testing.B) {
	p, q := affine(b, big.NewInt(1_000_003)), affine(b, big.NewInt(2_000_003))
	theirP, theirQ := multiple(big.NewInt(1_000_003)), multiple(big.NewInt(2_000_003))
	var sum curve.Point
	sum.Set(&p)
	var theirSum secp256k1.JacobianPoint
	secp256k1.DoubleNonConst(&theirP, &theirSum)
	for _, c := range []struct {
		name         string
		theirs, ours func()
	}{
		{"mul", func() { theirP.X.Mul(&theirQ.X) }, func() { p.X.Mul(&p.X, &q.X) }},
		{"square", func() { theirP.Y.Square() }, func() { p.Y.Square(&p.Y) }},
		{"invert", func() { theirP.Y.Inverse() }, func() { p.Y.Invert(&p.Y) }},
		{"add", func() { secp256k1.AddNonConst(&theirSum, &theirQ, &theirSum) }, func() { sum.Add(&q, false) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var theirs, ours []float64
			for b.Loop() {
				theirs = append(theirs, batch(c.theirs))
				ours = append(ours, batch(c.ours))
			}
			b.ReportMetric(0, "ns/op") // of batches of both
			b.ReportMetric(quick(theirs), "decred-ns")
			b.ReportMetric(quick(ours), "ours-ns")
			b.ReportMetric(quick(theirs)/quick(ours), "decred/ours")
		})
	}
}

// batch returns how many nanoseconds op takes.
func batch(op func()) float64 {
	const size = 50
	begin := time.Now()
	for range size {
		op()
	}
	return float64(time.Since(begin).Nanoseconds()) / size
}

// quick returns the time that one in twenty stays below.
func quick(times []float64) float64 {
	slices.Sort(times)
	return times[len(times)/20]
}

// BenchmarkSum measures by how many bits the windows of both bases have; 0 stands for no combs.
func BenchmarkSum(b *testing.B) {
	p, q := affine(b, big.NewInt(1_000_003)), affine(b, big.NewInt(2_000_003))
	rng := rand.New(rand.NewPCG(9, 10))
	m, n := curve.NewMultiplier(scalarOf(random(rng))), curve.NewMultiplier(scalarOf(random(rng)))
	for _, width := range combWidths() {
		first, second := baseOf(p, width), baseOf(q, width)
		b.Run(fmt.Sprintf("width=%d", width), func(b *testing.B) {
			var sums, combs []float64
			var sum curve.Point
			for b.Loop() {
				begin := time.Now()
				curve.Sum(&sum, &m, first, &n, second)
				sums = append(sums, float64(time.Since(begin).Nanoseconds()))
			}
			if width > 0 {
				for range 20 {
					begin := time.Now()
					curve.NewComb(&p, width)
					combs = append(combs, float64(time.Since(begin).Nanoseconds()))
				}
				b.ReportMetric(quick(combs), "comb-ns")
				b.ReportMetric(float64(curve.CombSize(width)), "comb-bytes")
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(quick(sums), "sum-ns")
		})
	}
}
