package curve_test

import (
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// half returns a Half's number.
func half(h curve.Half) *big.Int {
	bz := binary.BigEndian.AppendUint64(nil, h.Abs[1])
	n := new(big.Int).SetBytes(binary.BigEndian.AppendUint64(bz, h.Abs[0]))
	if h.Minus {
		n.Neg(n)
	}
	return n
}

func TestSplit_HalvesAreTheNumberAndShort(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(0xa3), 120)
	for _, n := range scalars(20_000) {
		a, b := curve.Split(scalarOf(n))
		sum := new(big.Int).Mul(half(b), lambda())
		sum.Add(sum, half(a)).Mod(sum, order())
		if sum.Cmp(n) != 0 {
			t.Fatalf("%x: halves %v and %v are %x", n, half(a), half(b), sum)
		}
		if half(a).CmpAbs(limit) >= 0 || half(b).CmpAbs(limit) >= 0 {
			t.Fatalf("%x: halves %x and %x are too long", n, half(a), half(b))
		}
	}
}
