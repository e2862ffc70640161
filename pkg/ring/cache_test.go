package ring_test

import (
	"errors"
	"testing"

	"github.com/seed52205347/relayminer/pkg/ring"
)

// pairs returns signatures by the first of rings of two that have no key in common.
func pairs(tb testing.TB, n int) [][]byte {
	tb.Helper()
	signatures := make([][]byte, n)
	for i := range signatures {
		at := uint64(2*i + 1)
		signatures[i] = craft{[]uint64{at, at + 1}, 0, scalar(at + 1000), scalar(at + 2000)}.sign(tb, hello)
	}
	return signatures
}

func verifyAll(tb testing.TB, verifier *ring.Verifier, signatures ...[]byte) {
	tb.Helper()
	for _, bz := range signatures {
		if err := verifier.Verify(hello, parse(tb, bz)); err != nil {
			tb.Error(err)
		}
	}
}

// refuse has the verifier refuse signatures.
func refuse(tb testing.TB, verifier *ring.Verifier, signatures ...[]byte) {
	tb.Helper()
	for _, bz := range signatures {
		if err := verifier.Verify([32]byte{}, parse(tb, bz)); !errors.Is(err, ring.ErrInvalid) {
			tb.Errorf("got %v, want ErrInvalid", err)
		}
	}
}

func cachedKeys(tb testing.TB, verifier *ring.Verifier, want int) {
	tb.Helper()
	if got := verifier.Stats().CachedKeys; got != want {
		tb.Errorf("%d keys and images are cached, want %d", got, want)
	}
}

func TestVerifier_RemembersNothingOfStrangers(t *testing.T) {
	verifier := newVerifier(t)
	signatures := pairs(t, 5)
	verifyAll(t, verifier, signatures...)
	refuse(t, verifier, signatures...)
	cachedKeys(t, verifier, 0)
}

func TestVerifier_RemembersTheImageOfAValidSignatureOnly(t *testing.T) {
	verifier := newVerifier(t, ring.WithListedMembers())
	signatures := pairs(t, 1)
	refuse(t, verifier, signatures...)
	cachedKeys(t, verifier, 2) // members, which are listed
	verifyAll(t, verifier, signatures...)
	cachedKeys(t, verifier, 3)
}

func TestVerifier_RemembersAdmittedKeys(t *testing.T) {
	verifier := newVerifier(t)
	signature := pairs(t, 1)
	if err := verifier.Admit(publicKey(1)); err != nil {
		t.Fatal(err)
	}
	verifyAll(t, verifier, signature...)
	cachedKeys(t, verifier, 1) // the other member is a stranger, so that the image is too
	if err := verifier.Admit(publicKey(1), publicKey(2)); err != nil {
		t.Fatal(err)
	}
	verifyAll(t, verifier, signature...)
	cachedKeys(t, verifier, 3)
}

func TestVerifier_AdmitsKeysOnly(t *testing.T) {
	verifier := newVerifier(t)
	for name, key := range map[string][]byte{
		"nothing": nil, "short": publicKey(1)[:32], "long": append(publicKey(1), 0),
		"zeros": make([]byte, ring.KeySize), "hybrid": append([]byte{6}, publicKey(1)[1:]...),
	} {
		if err := verifier.Admit(key); !errors.Is(err, ring.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
	cachedKeys(t, verifier, 0)
}

func TestVerifier_KeepsWithinItsBytes(t *testing.T) {
	const limit = 20_000 // ten keys or so
	verifier := newVerifier(t, ring.WithListedMembers(), ring.WithCacheBytes(limit))
	for range 2 {
		for _, bz := range pairs(t, 12) {
			verifyAll(t, verifier, bz)
			if stats := verifier.Stats(); stats.CachedBytes > limit || stats.CachedKeys < 3 {
				t.Fatalf("%d keys of %d bytes are cached", stats.CachedKeys, stats.CachedBytes)
			}
		}
	}
	if stats := verifier.Stats(); stats.Evicted == 0 || stats.TablesBuilt != 0 {
		t.Errorf("%d keys made room for others, %d tables were built", stats.Evicted, stats.TablesBuilt)
	}
}

// What is in use stays when keys come that are used once.
func TestVerifier_EvictsWhatIsNotUsed(t *testing.T) {
	const limit = 20_000
	verifier := newVerifier(t, ring.WithListedMembers(), ring.WithCacheBytes(limit))
	signatures := pairs(t, 40)
	used, others := signatures[0], signatures[1:]
	verifyAll(t, verifier, used)
	for _, bz := range others {
		verifyAll(t, verifier, used, bz)
	}
	before := verifier.Stats()
	verifyAll(t, verifier, used)
	after := verifier.Stats()
	if before.Evicted == 0 || after.Evicted != before.Evicted || after.CachedKeys != before.CachedKeys {
		t.Errorf("from %+v to %+v by a ring that is always in use", before, after)
	}
}

func TestVerifier_BuildsTablesForKeysInUse(t *testing.T) {
	verifier := newVerifier(t, ring.WithListedMembers())
	signature := pairs(t, 1)
	verifyAll(t, verifier, signature...)
	few := verifier.Stats().CachedBytes
	for verifier.Stats().TablesBuilt < 3 {
		verifyAll(t, verifier, signature...)
	}
	if many := verifier.Stats().CachedBytes; many < few+5*40_000 {
		t.Errorf("%d bytes after %d, with tables for two members and an image", many, few)
	}
}
