package ring_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring"
)

func TestSigner_SignsForRingsOfAnySize(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			members := publicKeys(size)
			signature := parse(t, sign(t, hello, size))
			if size == 1 {
				members = append(members, members[0]) // widened
			}
			if signature.Size() != len(members) {
				t.Fatalf("ring of %d members, want %d", signature.Size(), len(members))
			}
			for i, member := range members {
				if !bytes.Equal(signature.Member(i), member) {
					t.Errorf("member %d is %x, want %x", i, signature.Member(i), member)
				}
			}
			if err := (ring.Reference{}).Verify(hello, signature); err != nil {
				t.Error(err)
			}
			if err := (ring.Reference{}).Verify(sha256.Sum256([]byte("bye")), signature); !errors.Is(err, ring.ErrInvalid) {
				t.Errorf("for another message: got %v, want ErrInvalid", err)
			}
		})
	}
}

func TestSigner_SignsFromEveryPlaceInTheRing(t *testing.T) {
	members := publicKeys(3)
	for i := range members {
		signature, err := newSigner(t, privateKey(uint64(i+1)), members).Sign(hello)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(hello, signature); err != nil {
			t.Errorf("signed by member %d: %v", i, err)
		}
	}
}

func TestNewSigner_RefusesBadKeysAndRings(t *testing.T) {
	order := secp256k1.Params().N
	aboveOrder := privateKey(0)
	order.FillBytes(aboveOrder)
	aboveOrder[31] += 1 // N+1, which is 1 modulo N
	uncompressed := secp256k1.PrivKeyFromBytes(privateKey(2)).PubKey().SerializeUncompressed()
	offCurve := slices.Concat([]byte{2}, make([]byte, 32)) // y² = 7 has no root
	two := publicKeys(2)

	for _, c := range []struct {
		name    string
		private []byte
		members [][]byte
		want    error // nil: any
	}{
		{"no private key", nil, two, nil},
		{"short private key", privateKey(1)[1:], two, nil},
		{"long private key", append(privateKey(1), 0), two, nil},
		{"private key zero", privateKey(0), two, nil},
		{"private key is the order", order.Bytes(), two, nil},
		{"private key above the order", aboveOrder, two, nil},
		{"not a member", privateKey(3), two, ring.ErrNotMember},
		{"no member", privateKey(1), nil, nil},
		{"too many members", privateKey(1), publicKeys(ring.MaxMembers + 1), nil},
		{"empty member", privateKey(1), [][]byte{two[0], nil}, nil},
		{"uncompressed member", privateKey(1), [][]byte{two[0], uncompressed}, nil},
		{"member off the curve", privateKey(1), [][]byte{two[0], offCurve}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			signer, err := ring.NewSigner(c.private, c.members)
			if err == nil || signer != nil {
				t.Fatalf("got signer %v and error %v", signer, err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if len(c.private) > 0 && bytes.Contains([]byte(err.Error()), fmt.Appendf(nil, "%x", c.private)) {
				t.Errorf("the error shows the private key: %v", err)
			}
		})
	}
}

func TestNewSigner_TakesTheLargestRingThatParses(t *testing.T) {
	newSigner(t, privateKey(1), publicKeys(ring.MaxMembers))
}

func TestSigner_SignsConcurrently(t *testing.T) {
	const goroutines, each = 4, 3
	signer := newSigner(t, privateKey(2), publicKeys(3))
	failed := make(chan error, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				message := sha256.Sum256([]byte{byte(g), byte(i)})
				signature, err := signer.Sign(message)
				if err == nil {
					err = verify(message, signature)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
}
