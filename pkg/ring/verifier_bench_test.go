package ring_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

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

// BenchmarkVerify measures what a request costs: parsing and verification. ring-go
// keeps nothing from one signature to the next, so that to it hot and cold are the same.
func BenchmarkVerify(b *testing.B) {
	for size := 2; size <= 5; size++ {
		signature := sign(b, hello, size)
		cold, hot := newCold(b), newHot(b, signature)
		for _, c := range []struct {
			name   string
			verify func([32]byte, ring.Signature) error
		}{
			{"ring-go/hot", ring.Reference{}.Verify},
			{"ours/hot", hot.Verify},
			{"ring-go/cold", ring.Reference{}.Verify},
			{"ours/cold", cold.Verify},
		} {
			b.Run(fmt.Sprintf("%s/ring=%d", c.name, size), func(b *testing.B) {
				verifying(b, c.verify, signature)
			})
		}
	}
}

// BenchmarkVerifyRatio measures the same one by one in turns, and reports medians, so
// that what else the machine does meets all of them alike.
func BenchmarkVerifyRatio(b *testing.B) {
	for size := 2; size <= 5; size++ {
		signature := sign(b, hello, size)
		cold, hot := newCold(b), newHot(b, signature)
		b.Run(fmt.Sprintf("ring=%d", size), func(b *testing.B) {
			var theirs, colds, hots []float64
			timed := func(times *[]float64, verify func([32]byte, ring.Signature) error) {
				begin := time.Now()
				if err := verify(hello, parse(b, signature)); err != nil {
					b.Fatal(err)
				}
				*times = append(*times, float64(time.Since(begin).Nanoseconds()))
			}
			for b.Loop() {
				timed(&theirs, ring.Reference{}.Verify)
				timed(&colds, cold.Verify)
				timed(&hots, hot.Verify)
			}
			b.ReportMetric(0, "ns/op") // of all three together, which says nothing
			b.ReportMetric(median(theirs), "ring-go-ns")
			b.ReportMetric(median(colds), "cold-ns")
			b.ReportMetric(median(hots), "hot-ns")
			b.ReportMetric(median(theirs)/median(colds), "ring-go/cold")
			b.ReportMetric(median(theirs)/median(hots), "ring-go/hot")
		})
	}
}

// BenchmarkVerifyMixed measures the requests of one gateway for many applications, in
// random order, so that tables are not in the processor's caches.
func BenchmarkVerifyMixed(b *testing.B) {
	const applications = 1000
	const gateway = applications + 1
	signatures := make([][]byte, applications)
	for i := range signatures {
		var err error
		members := [][]byte{publicKey(uint64(i + 1)), publicKey(gateway)}
		if signatures[i], err = newSigner(b, privateKey(gateway), members).Sign(hello); err != nil {
			b.Fatal(err)
		}
	}
	shuffle := rand.New(rand.NewPCG(1, 2))
	shuffle.Shuffle(applications, func(i, j int) { signatures[i], signatures[j] = signatures[j], signatures[i] })
	verifier := newVerifier(b, withoutAudit(), ring.WithListedMembers())
	warm(b, verifier, applications+4, signatures...) // two of the gateway's key, two of its image
	b.Run("ring-go", func(b *testing.B) { verifying(b, ring.Reference{}.Verify, signatures...) })
	b.Run("ours", func(b *testing.B) { verifying(b, verifier.Verify, signatures...) })
	b.ReportMetric(float64(verifier.Stats().CachedBytes), "cached-bytes")
}

func median(times []float64) float64 {
	slices.Sort(times)
	return times[len(times)/2]
}

// newCold returns a verifier that keeps nothing.
func newCold(b *testing.B) *ring.Verifier {
	return newVerifier(b, withoutAudit(), ring.WithCacheBytes(0))
}

// newHot returns a verifier that has made all tables for the signature.
func newHot(b *testing.B, signature []byte) *ring.Verifier {
	hot := newVerifier(b, withoutAudit(), ring.WithListedMembers())
	members := parse(b, signature).Size()
	warm(b, hot, uint64(2*(members+1)), signature)
	return hot
}

// withoutAudit leaves out the audit, which is part of no single verification.
func withoutAudit() ring.Option { return ring.WithAudit(1, 0) }
