package ring_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/seed52205347/relayminer/pkg/ring"
)

func newLoadSigner(tb testing.TB, private []byte, members [][]byte) *ring.LoadSigner {
	tb.Helper()
	signer, err := ring.NewLoadSigner(private, members)
	if err != nil {
		tb.Fatal(err)
	}
	return signer
}

func TestLoadSigner_SignsWhatReferenceAccepts(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5} {
		members := publicKeys(size)
		for place := range members {
			signer := newLoadSigner(t, privateKey(uint64(place+1)), members)
			for i := range 3 {
				message := sha256.Sum256([]byte{byte(i)})
				bz, err := signer.Sign(message)
				if err != nil {
					t.Fatal(err)
				}
				if err := verify(message, bz); err != nil {
					t.Errorf("ring of %d, signed by member %d: %v", size, place, err)
				}
			}
		}
	}
}

// As if it had signed before, by which relays of one signer can be linked.
func TestLoadSigner_HasTheKeyImageOfSigner(t *testing.T) {
	const image = 36
	theirs := sign(t, hello, 3)
	ours, err := newLoadSigner(t, privateKey(1), publicKeys(3)).Sign(hello)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(ours[image:header]), string(theirs[image:header]); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestNewLoadSigner_RefusesWhatNewSignerRefuses(t *testing.T) {
	if _, err := ring.NewLoadSigner(privateKey(9), publicKeys(3)); !errors.Is(err, ring.ErrNotMember) {
		t.Errorf("got %v, want ErrNotMember", err)
	}
	for name, members := range map[string][][]byte{
		"nobody": nil, "too many": publicKeys(ring.MaxMembers + 1), "half a key": {publicKey(1), publicKey(2)[:20]},
	} {
		if signer, err := ring.NewLoadSigner(privateKey(1), members); err == nil || signer != nil {
			t.Errorf("%s: got signer %v and error %v", name, signer, err)
		}
	}
}

func TestLoadSigner_SignsConcurrently(t *testing.T) {
	signer := newLoadSigner(t, privateKey(2), publicKeys(3))
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 5 {
				message := sha256.Sum256([]byte{byte(g), byte(i)})
				bz, err := signer.Sign(message)
				if err == nil {
					err = verify(message, bz)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkLoadSigner(b *testing.B) {
	for _, size := range []int{2, 5} {
		b.Run(fmt.Sprintf("ring=%d", size), func(b *testing.B) {
			signer := newLoadSigner(b, privateKey(1), publicKeys(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signer.Sign(hello); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
