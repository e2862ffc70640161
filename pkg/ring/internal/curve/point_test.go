package curve_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// bigs returns numbers.
func bigs(numbers ...int64) []*big.Int {
	all := make([]*big.Int, len(numbers))
	for i, n := range numbers {
		all[i] = big.NewInt(n)
	}
	return all
}

// inCoordinates returns n·G in coordinates whose denominators are not one, except
// for infinity.
func inCoordinates(t *testing.T, n *big.Int) (p curve.Point) {
	t.Helper()
	if n.Sign() == 0 {
		return p
	}
	const detour = 77
	start, back := affine(t, new(big.Int).Add(n, big.NewInt(detour))), affine(t, big.NewInt(detour))
	p.Set(&start)
	p.Add(&back, true)
	return p
}

func TestPoint_AdditionHasNoExceptions(t *testing.T) {
	all := bigs(0, 1, -1, 2, -2, 3, 4, -4, 8, 1000, -1000)
	for _, x := range all {
		doubled := inCoordinates(t, x)
		doubled.Double()
		samePoint(t, "double", doubled, new(big.Int).Lsh(x, 1))
		for _, y := range all {
			sum := inCoordinates(t, x)
			other := inCoordinates(t, y)
			sum.AddPoint(&other)
			samePoint(t, "sum of points", sum, new(big.Int).Add(x, y))
			if y.Sign() == 0 {
				continue
			}
			single := affine(t, y)
			sum = inCoordinates(t, x)
			sum.Add(&single, false)
			samePoint(t, "sum", sum, new(big.Int).Add(x, y))
			sum = inCoordinates(t, x)
			sum.Add(&single, true)
			samePoint(t, "difference", sum, new(big.Int).Sub(x, y))
		}
	}
}

func TestNormalize_TakesInfinityAmongOthers(t *testing.T) {
	numbers := bigs(0, 5, 0, 0, -7, 9, 0)
	points := make([]curve.Point, len(numbers))
	for i, n := range numbers {
		points[i] = inCoordinates(t, n)
	}
	for i, got := range encode(points...) {
		if want := encoded(numbers[i]); got != want {
			t.Errorf("%d: got %x, want %x", i, got, want)
		}
	}
}

func TestGenerator_IsTheGroups(t *testing.T) {
	generator, want := curve.Generator(), affine(t, big.NewInt(1))
	if !generator.X.Equal(&want.X) || !generator.Y.Equal(&want.Y) {
		t.Errorf("got %x, want %x", generator, want)
	}
}

func TestDecode_TakesWhatDecredTakes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	compare := func(bz []byte) {
		t.Helper()
		var p curve.Affine
		key, err := secp256k1.ParsePubKey(bz)
		if ok := p.Decode(bz); ok != (err == nil && len(bz) == curve.EncodedSize) {
			t.Fatalf("%x: decoded %v, decred says %v", bz, ok, err)
		} else if !ok {
			return
		}
		var again [curve.EncodedSize]byte
		if p.Encode(&again); again != [curve.EncodedSize]byte(key.SerializeCompressed()) {
			t.Fatalf("%x: encoded as %x", bz, again)
		}
	}
	for prefix := range 256 {
		bz := encoded(big.NewInt(5))
		bz[0] = byte(prefix)
		compare(bz[:])
	}
	for range 2000 {
		compare(append([]byte{2 + byte(rng.IntN(2))}, random(rng).FillBytes(make([]byte, 32))...))
	}
	for below := int64(-40); below < 40; below++ {
		x := new(big.Int).Add(prime(), big.NewInt(below))
		compare(append([]byte{2}, x.FillBytes(make([]byte, 32))...))
	}
	for n := range 70 {
		compare(make([]byte, n))
	}
	compare(secp256k1.NewPublicKey(new(secp256k1.FieldVal), new(secp256k1.FieldVal)).SerializeUncompressed())
}
