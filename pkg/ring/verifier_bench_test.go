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

// BenchmarkVerifyRatio measures the same one by one in turns, and reports the times
// of the quick ones, so that it says something on a busy machine too.
func BenchmarkVerifyRatio(b *testing.B) {
	for size := 2; size <= 5; size++ {
		signature := sign(b, hello, size)
		cold, hot := newCold(b), newHot(b, signature)
		b.Run(fmt.Sprintf("ring=%d", size), func(b *testing.B) {
			inTurns(b, 1, [][]byte{signature}, cold, hot)
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
		members := [][]byte{publicKey(uint64(i + 1)), publicKey(gateway)}
		var err error
		if signatures[i], err = newLoadSigner(b, privateKey(gateway), members).Sign(hello); err != nil {
			b.Fatal(err)
		}
	}
	shuffle := rand.New(rand.NewPCG(1, 2))
	shuffle.Shuffle(applications, func(i, j int) { signatures[i], signatures[j] = signatures[j], signatures[i] })
	hot := newVerifier(b, withoutAudit(), ring.WithListedMembers())
	warm(b, hot, applications+4, signatures...) // two for the gateway's key, two for its image
	b.Run(fmt.Sprintf("applications=%d", applications), func(b *testing.B) {
		inTurns(b, 10, signatures, newCold(b), hot)
		b.ReportMetric(float64(hot.Stats().CachedBytes)/(1<<20), "cached-MiB")
	})
}

// inTurns verifies signatures by ring-go, by a cold and, several times in a row, by a hot
// verifier.
func inTurns(b *testing.B, hots int, signatures [][]byte, cold, hot *ring.Verifier) {
	contestants := []struct {
		name   string
		verify func([32]byte, ring.Signature) error
		inRow  int
		times  []float64
	}{
		{name: "ring-go", verify: ring.Reference{}.Verify, inRow: 1},
		{name: "cold", verify: cold.Verify, inRow: 1},
		{name: "hot", verify: hot.Verify, inRow: hots},
	}
	next := 0
	for b.Loop() {
		for i := range contestants {
			c := &contestants[i]
			for range c.inRow {
				bz := signatures[next%len(signatures)]
				next++
				begin := time.Now()
				if err := c.verify(hello, parse(b, bz)); err != nil {
					b.Fatal(err)
				}
				c.times = append(c.times, float64(time.Since(begin).Nanoseconds()))
			}
		}
	}
	b.ReportMetric(0, "ns/op") // of all together, which says nothing
	for _, c := range contestants {
		b.ReportMetric(quick(c.times), c.name+"-ns")
		if c.name != "ring-go" {
			b.ReportMetric(quick(contestants[0].times)/quick(c.times), "ring-go/"+c.name)
		}
	}
}

// quick returns the time that one in twenty stays below. On a busy machine that is what
// remains of a time when nothing interrupts, which happens to longer ones more often.
func quick(times []float64) float64 {
	slices.Sort(times)
	return times[len(times)/20]
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
