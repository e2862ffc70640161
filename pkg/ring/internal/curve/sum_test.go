package curve_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

func scalar(i uint64) *secp256k1.ModNScalar {
	var s secp256k1.ModNScalar
	h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, i))
	s.SetBytes(&h)
	return &s
}

func point(t testing.TB, s *secp256k1.ModNScalar) curve.Affine {
	var j secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(s, &j)
	j.ToAffine()
	var p curve.Affine
	if !p.Decode(secp256k1.NewPublicKey(&j.X, &j.Y).SerializeCompressed()) {
		t.Fatal("decode")
	}
	return p
}

func base(p *curve.Affine, w int) curve.Base {
	if w == 0 {
		var b curve.OddBuilder
		var o curve.Odd
		b.Add(&o, p)
		b.Build()
		return curve.Base{Odd: &o}
	}
	return curve.Base{Comb: curve.NewComb(p, w)}
}

func TestSum(t *testing.T) {
	for _, w := range []int{0, 4, 5, 6, 7, 8, 9, 10} {
		for _, v := range []int{0, 6} {
			x, y := scalar(1), scalar(2)
			px, py := point(t, x), point(t, y)
			bx, by := base(&px, w), base(&py, v)
			for i := range uint64(20) {
				m, n := scalar(3+2*i), scalar(4+2*i)
				mm, nn := curve.NewMultiplier(m), curve.NewMultiplier(n)
				var sum curve.Point
				curve.Sum(&sum, &mm, bx, &nn, by)
				var out [1]curve.Affine
				curve.Normalize(out[:], []curve.Point{sum})
				var s, u secp256k1.ModNScalar
				s.Mul2(x, m)
				u.Mul2(y, n)
				s.Add(&u)
				want := point(t, &s)
				if !out[0].X.Equal(&want.X) || !out[0].Y.Equal(&want.Y) {
					t.Fatal(w, v, i)
				}
			}
		}
	}
}

func BenchmarkSum(b *testing.B) {
	px, py := point(b, scalar(1)), point(b, scalar(2))
	m, n := curve.NewMultiplier(scalar(3)), curve.NewMultiplier(scalar(4))
	for _, w := range []int{0, 4, 5, 6, 7, 8, 9, 10} {
		bx, by := base(&px, w), base(&py, w)
		b.Run(fmt.Sprint(w), func(b *testing.B) {
			for b.Loop() {
				var sum curve.Point
				curve.Sum(&sum, &m, bx, &n, by)
			}
		})
		if w == 0 {
			continue
		}
		b.Run(fmt.Sprint("build", w), func(b *testing.B) {
			for b.Loop() {
				curve.NewComb(&px, w)
			}
		})
	}
	b.Run("invert", func(b *testing.B) {
		z := px.X
		for b.Loop() {
			z.Invert(&z)
		}
	})
	b.Run("split", func(b *testing.B) {
		s := scalar(4)
		for b.Loop() {
			curve.NewMultiplier(s)
		}
	})
}
