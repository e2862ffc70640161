package ring_test

import (
	"fmt"
	"testing"

	"github.com/seed52205347/relayminer/pkg/ring"
)

// verifying runs parsing and verification of one signature after the other.
func verifying(b *testing.B, verify func([32]byte, ring.Signature) error, signatures ...[]byte) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		signature, err := ring.Parse(signatures[i])
		if err != nil {
			b.Fatal(err)
		}
		if err := verify(hello, signature); err != nil {
			b.Fatal(err)
		}
		if i++; i == len(signatures) {
			i = 0
		}
	}
}

// warm has a verifier verify until it makes no more tables.
func warm(b *testing.B, verifier *ring.Verifier, tables uint64, signatures ...[]byte) {
	for verifier.Stats().TablesBuilt < tables {
		for _, bz := range signatures {
			if err := verifier.Verify(hello, parse(b, bz)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	// Neither audit: its cost is part of no single verification.
	unaudited := ring.WithAudit(1, 0)
	for size := 2; size <= 5; size++ {
		signature := sign(b, hello, size)
		cold := newVerifier(b, unaudited, ring.WithCacheBytes(0))
		hot := newVerifier(b, unaudited, ring.WithListedMembers())
		warm(b, hot, uint64(2*(size+1)), signature)
		b.Run(fmt.Sprintf("ring-go/ring=%d", size), func(b *testing.B) {
			verifying(b, ring.Reference{}.Verify, signature)
		})
		b.Run(fmt.Sprintf("ours/cold/ring=%d", size), func(b *testing.B) {
			verifying(b, cold.Verify, signature)
		})
		b.Run(fmt.Sprintf("ours/hot/ring=%d", size), func(b *testing.B) {
			verifying(b, hot.Verify, signature)
		})
	}
}
