package curve_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// order returns the order of the group.
func order() *big.Int { return secp256k1.Params().N }

// lambda returns the cube root of unity by which the endomorphism multiplies.
func lambda() *big.Int {
	n, _ := new(big.Int).SetString("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72", 16)
	return n
}

// scalarOf returns n modulo the group's order.
func scalarOf(n *big.Int) *secp256k1.ModNScalar {
	var s secp256k1.ModNScalar
	bz := make([]byte, 32)
	s.SetByteSlice(new(big.Int).Mod(n, order()).FillBytes(bz))
	return &s
}

// scalars returns numbers modulo the group's order: edges, their sums with multiples of λ,
// and others at random.
func scalars(n int) []*big.Int {
	rng := rand.New(rand.NewPCG(3, 4))
	var edges, all []*big.Int
	for _, i := range []int64{0, 1, 2, 15, 16, 17, 31, 32, 127, 128, 129, 255, 256} {
		edges = append(edges, big.NewInt(i), big.NewInt(-i))
	}
	for bit := uint(60); bit < 128; bit += 4 {
		power := new(big.Int).Lsh(big.NewInt(1), bit)
		edges = append(edges, power, new(big.Int).Sub(power, big.NewInt(1)), new(big.Int).Neg(power))
	}
	all = append(all, edges...)
	half := new(big.Int).Rsh(order(), 1)
	all = append(all, half, new(big.Int).Add(half, big.NewInt(1)))
	for len(all) < n {
		x := edges[rng.IntN(len(edges))]
		y := edges[rng.IntN(len(edges))]
		if rng.IntN(2) == 0 {
			x, y = random(rng), random(rng)
		}
		all = append(all, new(big.Int).Add(x, new(big.Int).Mul(y, lambda())))
	}
	for i := range all {
		all[i] = new(big.Int).Mod(all[i], order())
	}
	return all
}

func random(rng *rand.Rand) *big.Int {
	n := new(big.Int)
	for range 4 {
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(rng.Uint64()))
	}
	return n
}

// multiple returns n·G by decred, in its coordinates.
func multiple(n *big.Int) (p secp256k1.JacobianPoint) {
	secp256k1.ScalarBaseMultNonConst(scalarOf(n), &p)
	p.ToAffine()
	return p
}

// encoded returns n·G by decred, compressed; for infinity a 2 and zeros.
func encoded(n *big.Int) [curve.EncodedSize]byte {
	p := multiple(n)
	return [curve.EncodedSize]byte(secp256k1.NewPublicKey(&p.X, &p.Y).SerializeCompressed())
}

// affine returns n·G, which is not infinity.
func affine(tb testing.TB, n *big.Int) (p curve.Affine) {
	tb.Helper()
	bz := encoded(n)
	if !p.Decode(bz[:]) {
		tb.Fatalf("%v·G is not decoded", n)
	}
	return p
}

// encode returns points, compressed.
func encode(points ...curve.Point) [][curve.EncodedSize]byte {
	normalized := make([]curve.Affine, len(points))
	curve.Normalize(normalized, points)
	bzs := make([][curve.EncodedSize]byte, len(points))
	for i := range normalized {
		normalized[i].Encode(&bzs[i])
	}
	return bzs
}

// samePoint checks that p is n·G.
func samePoint(t *testing.T, what string, p curve.Point, n *big.Int) {
	t.Helper()
	if got, want := encode(p)[0], encoded(n); got != want {
		t.Fatalf("%s: got %x, want %x, which is %v·G", what, got, want, n)
	}
}

// odds returns the odd multiples of points.
func odds(points ...curve.Affine) []curve.Odd {
	var builder curve.OddBuilder
	all := make([]curve.Odd, len(points))
	for i := range points {
		builder.Add(&all[i], &points[i])
	}
	builder.Build()
	return all
}
