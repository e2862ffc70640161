package curve_test

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// combWidths are the widths of combs that are tried; 0 stands for none.
func combWidths() []int {
	widths := []int{0}
	for w := curve.MinCombWidth; w <= curve.MaxCombWidth; w++ {
		widths = append(widths, w)
	}
	return widths
}

// baseOf returns p with a comb of the given width, or with odd multiples alone.
func baseOf(p curve.Affine, width int) curve.Base {
	base := curve.Base{Odd: &odds(p)[0]}
	if width > 0 {
		base.Comb = curve.NewComb(&p, width)
	}
	return base
}

// checkSum checks m·x·G + n·y·G, where p and q are x·G and y·G.
func checkSum(t *testing.T, m, x *big.Int, p curve.Base, n, y *big.Int, q curve.Base) {
	t.Helper()
	var sum curve.Point
	multiplierM, multiplierN := curve.NewMultiplier(scalarOf(m)), curve.NewMultiplier(scalarOf(n))
	curve.Sum(&sum, &multiplierM, p, &multiplierN, q)
	want := new(big.Int).Mul(m, x)
	want.Add(want, new(big.Int).Mul(n, y))
	samePoint(t, fmt.Sprintf("%v·%v·G + %v·%v·G", m, x, n, y), sum, want)
}

func TestSum_AgreesWithDecredWhateverIsPrecomputed(t *testing.T) {
	x, y := big.NewInt(1_000_003), new(big.Int).Rsh(order(), 1)
	p, q := affine(t, x), affine(t, y)
	numbers := scalars(140)
	for _, wide := range combWidths() {
		for _, narrow := range []int{0, 5, 8} {
			a, b := baseOf(p, wide), baseOf(q, narrow)
			for i, m := range numbers {
				n := numbers[(7*i+wide)%len(numbers)]
				checkSum(t, m, x, a, n, y, b)
			}
		}
	}
}

// Products of the same point, of opposite points, and that cancel each other.
func TestSum_AgreesWithDecredOnRelatedPoints(t *testing.T) {
	one, minusOne := big.NewInt(1), new(big.Int).Sub(order(), big.NewInt(1))
	numbers := scalars(60)
	for _, width := range []int{0, 4, 6, 8} {
		for _, x := range []*big.Int{one, minusOne, lambda(), big.NewInt(2)} {
			for _, y := range []*big.Int{one, minusOne} {
				a, b := baseOf(affine(t, x), width), baseOf(affine(t, y), 6)
				for _, m := range numbers {
					checkSum(t, m, x, a, m, y, b)
					checkSum(t, m, x, a, new(big.Int).Sub(order(), m), y, b)
				}
			}
		}
	}
}

func TestOddBuilder_ForgetsWhatWasNotBuilt(t *testing.T) {
	var builder curve.OddBuilder
	first, second := affine(t, big.NewInt(3)), affine(t, big.NewInt(5))
	var dropped, kept curve.Odd
	builder.Add(&dropped, &first)
	builder.Reset()
	builder.Add(&kept, &second)
	builder.Build()
	builder.Build() // nothing
	checkSum(t, big.NewInt(1234), big.NewInt(5), curve.Base{Odd: &kept}, big.NewInt(99), big.NewInt(5), curve.Base{Odd: &kept})
	if got := *kept.Point(); got != second {
		t.Errorf("the multiples are of %x, want of %x", got, second)
	}
}
