package ring_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/golden"
)

func TestMain(m *testing.M) {
	// Of a library that the recorded sessions' messages come with.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// verdict names what an error says: valid, invalid or malformed.
func verdict(err error) string {
	switch {
	case err == nil:
		return "valid"
	case errors.Is(err, ring.ErrInvalid):
		return "invalid"
	case errors.Is(err, ring.ErrMalformed):
		return "malformed"
	}
	return err.Error()
}

// jury compares verifiers that have precomputed nothing, something, and a lot with
// Reference.
type jury struct{ verifiers map[string]*ring.Verifier }

// newJury returns a jury that has tables for the members and key images of the
// given valid signatures.
func newJury(tb testing.TB, known ...signed) jury {
	tb.Helper()
	j := jury{map[string]*ring.Verifier{
		"cold":   newVerifier(tb, withoutAudit(), ring.WithCacheBytes(0)),
		"cached": newVerifier(tb, withoutAudit(), ring.WithListedMembers()),
		"tables": newVerifier(tb, withoutAudit(), ring.WithListedMembers()),
	}}
	tables := j.verifiers["tables"]
	for _, k := range known {
		for built := tables.Stats().TablesBuilt; tables.Stats().TablesBuilt < built+uint64(k.entries); {
			if err := tables.Verify(k.message, parse(tb, k.bz)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return j
}

// signed is a signature, and how many keys and key images it has that those before it
// have not.
type signed struct {
	message [32]byte
	bz      []byte
	entries int
}

// judge checks that everyone says of a signature what Reference says, and returns it.
func (j jury) judge(tb testing.TB, what string, message [32]byte, bz []byte) string {
	tb.Helper()
	signature, err := ring.Parse(bz)
	if err != nil {
		return verdict(err)
	}
	want := verdict(ring.Reference{}.Verify(message, signature))
	for name, verifier := range j.verifiers {
		if got := verifier.Verify(message, signature); verdict(got) != want {
			tb.Errorf("%s: %s verifier says %v, Reference says %s of %x for %x", what, name, got, want, bz, message)
		}
	}
	return want
}

// expect judges, and checks the verdict.
func (j jury) expect(tb testing.TB, want, what string, message [32]byte, bz []byte) {
	tb.Helper()
	if got := j.judge(tb, what, message, bz); got != want {
		tb.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestVerifier_AgreesOnRingsOfAllSizes(t *testing.T) {
	j := newJury(t)
	for size := 1; size <= 7; size++ {
		bz := craft{publicNumbers(size), size / 2, scalar(1234567), scalar(7654321)}.sign(t, hello)
		j.expect(t, "valid", fmt.Sprintf("ring of %d", size), hello, bz)
		j.expect(t, "invalid", fmt.Sprintf("ring of %d, another message", size), sha256.Sum256(bz), bz)
	}
	largest := craft{publicNumbers(ring.MaxMembers), 3, scalar(1234567), scalar(7654321)}.sign(t, hello)
	j.expect(t, "valid", "largest ring", hello, largest)
	for _, size := range []int{2, 3, 5} {
		j.expect(t, "valid", fmt.Sprintf("ring-go's ring of %d", size), hello, sign(t, hello, size))
	}
}

// publicNumbers returns the private keys 1 to n.
func publicNumbers(n int) []uint64 {
	numbers := make([]uint64, n)
	for i := range numbers {
		numbers[i] = uint64(i + 1)
	}
	return numbers
}

func TestVerifier_AgreesOnEveryRequestThatTheChainPaidFor(t *testing.T) {
	sessions, err := golden.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	j := newJury(t)
	for _, session := range sessions {
		for i, relay := range session.Relays {
			message, err := relay.Request.GetSignableBytesHash()
			if err != nil {
				t.Fatal(err)
			}
			j.expect(t, "valid", fmt.Sprintf("%s, request %d", session.Name, i), message, relay.Request.Meta.Signature)
		}
	}
}

func TestVerifier_AgreesOnABitChangedInEveryByte(t *testing.T) {
	known := signed{sha256.Sum256([]byte(golden.RingMessage)), golden.RingSignature.Bytes(), 3}
	three := signed{hello, sign(t, hello, 3), 4}
	j := newJury(t, known, three)
	for step, valid := range map[int]signed{1: known, 4: three} {
		for i := 0; i < len(valid.bz); i += step {
			bz := slices.Clone(valid.bz)
			bz[i] ^= 1 << (i % 8)
			if j.judge(t, fmt.Sprintf("byte %d", i), valid.message, bz) == "valid" {
				t.Errorf("byte %d changed, and still valid", i)
			}
		}
	}
}

func TestVerifier_AgreesOnMessages(t *testing.T) {
	known := signed{sha256.Sum256([]byte(golden.RingMessage)), golden.RingSignature.Bytes(), 3}
	j := newJury(t, known)
	for i := range known.message {
		message := known.message
		message[i] ^= 1 << (i % 8)
		j.expect(t, "invalid", fmt.Sprintf("byte %d of the message", i), message, known.bz)
	}
}

// Challenges with leading zero bytes are aligned to the left, on which ring-go's
// backends differ. Of these, each has one where the test says, beside those by chance.
func TestVerifier_AgreesOnShortChallenges(t *testing.T) {
	j := newJury(t)
	for n := range uint64(120) {
		size := 1 + int(n%4)
		k := craft{publicNumbers(size), int(n) % size, scalar(1_000_000 + n), scalar(2_000_000 + n)}
		message := k.shortChallenge(t, n<<32, 31)
		j.expect(t, "valid", fmt.Sprintf("short challenge %d", n), message, k.sign(t, message))
	}
	k := craft{publicNumbers(2), 1, scalar(3_000_000), scalar(4_000_000)}
	message := k.shortChallenge(t, 1<<40, 30)
	bz := k.sign(t, message)
	j.expect(t, "valid", "challenge of 30 bytes", message, bz)

	challenge := bz[4:36] // the one after the last member, who signs
	copy(challenge, slices.Concat([]byte{0, 0}, challenge[:30]))
	j.expect(t, "invalid", "challenge of 30 bytes at the right", message, bz)
}

func TestVerifier_AgreesOnInfinityAndZeros(t *testing.T) {
	j := newJury(t)
	zero, some := scalar(0), scalar(99)
	minusOne := scalar(1)
	minusOne.Negate()
	for _, c := range []struct {
		name string
		craft
	}{
		{"both points of the signer are infinity", craft{publicNumbers(2), 1, zero, some}},
		{"both points of a lone signer are infinity", craft{publicNumbers(1), 0, zero, some}},
		{"scalar zero", craft{publicNumbers(3), 0, some, zero}},
		{"scalar one", craft{publicNumbers(3), 0, some, scalar(1)}},
		{"scalar minus one", craft{publicNumbers(3), 2, some, minusOne}},
		{"infinity and zero", craft{publicNumbers(3), 1, zero, zero}},
		{"one key twice", craft{[]uint64{5, 5}, 0, some, scalar(17)}},
		{"one key twice, and infinity", craft{[]uint64{5, 5}, 1, zero, scalar(17)}},
		{"one key three times among others", craft{[]uint64{5, 6, 5, 7, 5}, 2, some, scalar(17)}},
		{"the generator as a key", craft{[]uint64{1, 2}, 0, some, scalar(17)}},
	} {
		bz := c.sign(t, hello)
		for range 2 { // the second time from the cache
			j.expect(t, "valid", c.name, hello, bz)
		}
	}
}

func TestVerifier_AgreesOnScalarsAboveTheOrder(t *testing.T) {
	j := newJury(t)
	order := secp256k1.Params().N
	bz := craft{publicNumbers(3), 0, scalar(77), scalar(5)}.sign(t, hello)
	for _, member := range []int{1, 2} { // whose scalar is 5
		at := header + member*perMember
		copy(bz[at:], new(big.Int).Add(order, big.NewInt(5)).Bytes())
		j.expect(t, "valid", "the order added to a scalar", hello, bz)
	}
	copy(bz[header:], bytes.Repeat([]byte{0xff}, 32))
	j.expect(t, "invalid", "scalar of ones", hello, bz)
}

func TestVerifier_AgreesOnPartsOfOthers(t *testing.T) {
	known := signed{hello, sign(t, hello, 3), 4}
	other := parse(t, sign(t, hello, 2))
	j := newJury(t, known)
	order := secp256k1.Params().N.Bytes()
	prime := secp256k1.Params().P.Bytes()
	ones, zeros := bytes.Repeat([]byte{0xff}, 33), make([]byte, 33)
	const challenge, image, scalar, member = 4, 36, header, header + 32
	for _, at := range []int{challenge, scalar, scalar + perMember} {
		for name, part := range map[string][]byte{
			"zero": zeros[:32], "order": order, "ones": ones[:32], "one": privateKey(1), "message": hello[:],
		} {
			bz := slices.Clone(known.bz)
			copy(bz[at:], part)
			j.expect(t, "invalid", fmt.Sprintf("%s at %d", name, at), hello, bz)
		}
	}
	for _, at := range []int{image, member, member + perMember, member + 2*perMember} {
		for name, part := range map[string][]byte{
			"zeros": zeros, "ones": ones, "infinity": slices.Concat([]byte{2}, zeros[:32]),
			"the prime": slices.Concat([]byte{2}, prime), "a coordinate above the prime": slices.Concat([]byte{3}, ones[:32]),
			"hybrid": slices.Concat([]byte{6}, publicKey(2)[1:]), "hybrid, odd": slices.Concat([]byte{7}, publicKey(2)[1:]),
			"uncompressed": slices.Concat([]byte{4}, publicKey(2)[1:]), "off the curve": slices.Concat([]byte{2}, zeros[:31], []byte{5}),
		} {
			bz := slices.Clone(known.bz)
			copy(bz[at:], part)
			j.expect(t, "malformed", fmt.Sprintf("%s at %d", name, at), hello, bz)
		}
		for name, part := range map[string][]byte{
			"another key": publicKey(99), "another's member": other.Member(1)[:], "generator": publicKey(1),
			"its opposite": opposite(known.bz[at : at+33]),
		} {
			if bytes.Equal(part, known.bz[at:at+33]) {
				continue
			}
			bz := slices.Clone(known.bz)
			copy(bz[at:], part)
			j.judge(t, fmt.Sprintf("%s at %d", name, at), hello, bz)
		}
	}
}

// opposite returns the opposite of a compressed point.
func opposite(point []byte) []byte {
	bz := slices.Clone(point)
	bz[0] ^= 1
	return bz
}

func TestVerifier_AgreesOnMembersInOtherPlaces(t *testing.T) {
	known := signed{hello, sign(t, hello, 4), 5}
	j := newJury(t, known)
	part := func(bz []byte, i int) []byte { return bz[header+i*perMember : header+(i+1)*perMember] }
	for a := range 4 {
		for b := range 4 {
			if a == b {
				continue
			}
			swapped, doubled, keys := slices.Clone(known.bz), slices.Clone(known.bz), slices.Clone(known.bz)
			copy(part(swapped, a), part(known.bz, b))
			copy(part(swapped, b), part(known.bz, a))
			copy(part(doubled, a), part(known.bz, b))
			copy(part(keys, a)[32:], part(known.bz, b)[32:])
			for name, bz := range map[string][]byte{"swapped": swapped, "doubled": doubled, "key doubled": keys} {
				j.expect(t, "invalid", fmt.Sprintf("%s %d and %d", name, a, b), hello, bz)
			}
		}
	}
	for _, size := range []int{1, 2, 3} {
		shorter := claiming(uint32(size), known.bz[:header+size*perMember])
		j.expect(t, "invalid", fmt.Sprintf("the first %d", size), hello, shorter)
	}
	j.expect(t, "invalid", "one more", hello, claiming(5, slices.Concat(known.bz, part(known.bz, 0))))
}

func TestVerifier_AgreesOnRandomChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var known []signed
	for i, size := range []int{2, 3} {
		known = append(known, signed{hello, sign(t, hello, size), size + 1 - 3*i})
	}
	j := newJury(t, known...)
	for range 200 {
		bz := slices.Clone(known[rng.IntN(len(known))].bz)
		for range 1 + rng.IntN(3) {
			from := known[rng.IntN(len(known))].bz
			n, at, source := 1+rng.IntN(40), 4+rng.IntN(len(bz)-4), rng.IntN(len(from))
			copy(bz[at:min(at+n, len(bz))], from[source:])
		}
		j.judge(t, "random change", hello, bz)
	}
}

func TestVerifier_RefusesASignatureThatWasNotParsed(t *testing.T) {
	var none ring.Signature
	if err := newVerifier(t).Verify(hello, none); !errors.Is(err, ring.ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
}

func TestVerifier_CostsNoAllocationOnceItKnowsTheKeys(t *testing.T) {
	verifier := newVerifier(t, withoutAudit(), ring.WithListedMembers())
	bz := sign(t, hello, 3)
	for verifier.Stats().TablesBuilt < 4 { // which takes memory in the background
		verifyAll(t, verifier, bz)
	}
	allocs := testing.AllocsPerRun(100, func() {
		signature, err := ring.Parse(bz)
		if err != nil || verifier.Verify(hello, signature) != nil {
			t.Error("not valid")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestVerifier_VerifiesConcurrently(t *testing.T) {
	// Room for a few combs only, so that entries come and go.
	verifier := newVerifier(t, ring.WithListedMembers(), ring.WithCacheBytes(300_000), ring.WithAudit(50, 1))
	var signatures [][]byte
	for i := range uint64(6) {
		signatures = append(signatures, craft{[]uint64{2*i + 1, 2*i + 2}, 0, scalar(i + 10), scalar(i + 20)}.sign(t, hello))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				bz := signatures[(g+i/20)%len(signatures)]
				if err := verifier.Verify(hello, parse(t, bz)); err != nil {
					t.Error(err)
				}
				other := sha256.Sum256([]byte{byte(i)})
				if err := verifier.Verify(other, parse(t, bz)); !errors.Is(err, ring.ErrInvalid) {
					t.Errorf("another message: %v", err)
				}
			}
		})
	}
	wg.Wait()
	stats := verifier.Stats()
	if stats.Disagreements != 0 || stats.Valid != 400 || stats.Refused != 400 {
		t.Errorf("stats are %+v", stats)
	}
	if stats.CachedBytes > 300_000 {
		t.Errorf("%d bytes are cached", stats.CachedBytes)
	}
}

func TestVerifier_VerifiesAfterClose(t *testing.T) {
	verifier := newVerifier(t, ring.WithListedMembers())
	if err := verifier.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	bz := sign(t, hello, 2)
	for range 40 { // so that tables are due
		if err := verifier.Verify(hello, parse(t, bz)); err != nil {
			t.Fatal(err)
		}
	}
}
