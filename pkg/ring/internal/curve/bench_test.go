package curve_test

import (
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

func BenchmarkField(b *testing.B) {
	bz := [32]byte{1: 0xa5, 7: 0x17, 13: 0x99, 22: 0x44, 31: 0x77}
	var x curve.Element
	x.SetBytes(&bz)
	var f secp256k1.FieldVal
	f.SetBytes(&bz)
	b.Run("decred/mul", func(b *testing.B) {
		z := f
		for b.Loop() {
			z.Mul(&f)
		}
	})
	b.Run("ours/mul", func(b *testing.B) {
		z := x
		for b.Loop() {
			z.Mul(&z, &x)
		}
	})
	b.Run("decred/square", func(b *testing.B) {
		z := f
		for b.Loop() {
			z.Square()
		}
	})
	b.Run("ours/square", func(b *testing.B) {
		z := x
		for b.Loop() {
			z.Square(&z)
		}
	})
	b.Run("ours/add", func(b *testing.B) {
		z := x
		for b.Loop() {
			z.Add(&z, &x)
		}
	})
	b.Run("ours/sub", func(b *testing.B) {
		z := x
		for b.Loop() {
			z.Sub(&z, &x)
		}
	})
}
