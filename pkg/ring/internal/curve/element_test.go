package curve_test

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// prime returns the field's prime.
func prime() *big.Int { return secp256k1.Params().P }

// limbValues returns limbs at which carries begin and end.
func limbValues() []uint64 {
	const fold = 1<<32 + 977
	return []uint64{0, 1, 2, fold - 1, fold, 1<<62 - 1, 1 << 62, 1 << 63, 1<<64 - fold, 1<<64 - fold - 1, 1<<64 - 2, 1<<64 - 1}
}

// elements returns numbers of four limbs, many of which are of edge values, with others at
// random. Some are not below the prime.
func elements(n int) []curve.Element {
	rng := rand.New(rand.NewPCG(1, 2))
	edges := limbValues()
	all := []curve.Element{{}, {1}, {2}, {7}}
	for _, e := range edges {
		all = append(all, curve.Element{e, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}, curve.Element{e})
	}
	for len(all) < n {
		var x curve.Element
		for i := range x {
			if x[i] = rng.Uint64(); rng.IntN(2) == 0 {
				x[i] = edges[rng.IntN(len(edges))]
			}
		}
		all = append(all, x)
	}
	return all
}

// number returns the number of the limbs of x, also one that is not below the prime.
func number(x *curve.Element) *big.Int {
	var bz []byte
	for _, limb := range slices.Backward(x[:]) {
		bz = binary.BigEndian.AppendUint64(bz, limb)
	}
	return new(big.Int).SetBytes(bz)
}

// sameElement compares what x is, by its bytes, to want modulo the prime.
func sameElement(t *testing.T, what string, x *curve.Element, want *big.Int) {
	t.Helper()
	var bz [32]byte
	x.PutBytes(bz[:])
	if got := new(big.Int).SetBytes(bz[:]); got.Cmp(new(big.Int).Mod(want, prime())) != 0 {
		t.Fatalf("%s: got %x, want %x", what, got, want)
	}
}

func TestElement_AgreesWithBigIntegers(t *testing.T) {
	all := elements(250)
	for i := range all {
		x, bigX := &all[i], number(&all[i])
		var z curve.Element
		z.Square(x)
		sameElement(t, "square", &z, new(big.Int).Mul(bigX, bigX))
		z.Negate(x)
		sameElement(t, "negate", &z, new(big.Int).Neg(bigX))
		reduced := new(big.Int).Mod(bigX, prime())
		if x.IsZero() != (reduced.Sign() == 0) || x.IsOdd() != (reduced.Bit(0) == 1) {
			t.Fatalf("%x: zero %v, odd %v", bigX, x.IsZero(), x.IsOdd())
		}
		for j := range all {
			y, bigY := &all[j], number(&all[j])
			z.Mul(x, y)
			sameElement(t, "product", &z, new(big.Int).Mul(bigX, bigY))
			z.Add(x, y)
			sameElement(t, "sum", &z, new(big.Int).Add(bigX, bigY))
			z.Sub(x, y)
			sameElement(t, "difference", &z, new(big.Int).Sub(bigX, bigY))
			if same := new(big.Int).Mod(new(big.Int).Sub(bigX, bigY), prime()).Sign() == 0; x.Equal(y) != same {
				t.Fatalf("%x and %x are equal: %v", bigX, bigY, !same)
			}
		}
	}
}

func TestElement_ResultMayBeAnOperand(t *testing.T) {
	all := elements(60)
	for i := range all {
		for j := range all {
			x, y := all[i], all[j]
			for name, op := range map[string]func(z, x, y *curve.Element){
				"product": (*curve.Element).Mul, "sum": (*curve.Element).Add, "difference": (*curve.Element).Sub,
			} {
				var z curve.Element
				op(&z, &x, &y)
				first, second := x, y
				op(&first, &first, &y)
				op(&second, &x, &second)
				if !first.Equal(&z) || !second.Equal(&z) {
					t.Fatalf("%s of %x and %x depends on where it goes", name, x, y)
				}
			}
		}
	}
}

func TestElement_InverseAndRoot(t *testing.T) {
	all := elements(3000)
	for i := range all {
		x, bigX := &all[i], number(&all[i])
		reduced := new(big.Int).Mod(bigX, prime())
		var z curve.Element
		z.Invert(x)
		want := new(big.Int)
		if reduced.Sign() != 0 {
			want.ModInverse(reduced, prime())
		}
		sameElement(t, "inverse", &z, want)
		if i > 600 {
			continue
		}
		root := new(big.Int).ModSqrt(reduced, prime())
		if ok := z.Sqrt(x); ok != (root != nil) {
			t.Fatalf("%x has a root: %v, want %v", bigX, ok, root != nil)
		} else if !ok {
			continue
		}
		var square curve.Element
		square.Square(&z)
		sameElement(t, "square of root", &square, reduced)
	}
}

func TestElement_BytesAreReducedAndSaySo(t *testing.T) {
	all := elements(2000)
	for i := range all {
		n := number(&all[i])
		var bz [32]byte
		n.FillBytes(bz[:])
		var x curve.Element
		if below := x.SetBytes(&bz); below != (n.Cmp(prime()) < 0) {
			t.Fatalf("%x is below the prime: %v", n, below)
		}
		sameElement(t, "bytes", &x, n)
	}
}

func FuzzElement(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, bz []byte) {
		if len(bz) < 64 {
			return
		}
		var x, y, z curve.Element
		x.SetBytes((*[32]byte)(bz))
		y.SetBytes((*[32]byte)(bz[32:]))
		bigX, bigY := number(&x), number(&y)
		z.Mul(&x, &y)
		sameElement(t, "product", &z, new(big.Int).Mul(bigX, bigY))
		z.Square(&x)
		sameElement(t, "square", &z, new(big.Int).Mul(bigX, bigX))
		if !x.IsZero() {
			z.Invert(&x)
			sameElement(t, "inverse", &z, new(big.Int).ModInverse(bigX, prime()))
		}
	})
}
