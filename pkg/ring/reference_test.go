package ring_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/golden"
)

// leftAligned is a signature of the SHA-256 of leftAlignedMessage, for the ring
// of 1·G and 2·G, whose challenge has 31 bytes: reduced to a scalar the chain's
// way, these come first and a zero byte last.
const (
	leftAlignedMessage            = "relay 427"
	leftAligned        golden.Hex = "00000002" +
		"939c9d5b40ff9d737a12e26ea80d33f61b02de61ba07ad71288de63e540af700" +
		"02d171fa1f6f04f82ddf5bed0034c09d422f7ce2ae1d468bda2f62d8222bd7420e" +
		"ad4756c95e45620c48c1690840d1322507770ef505a52ff22ac80518ac5a4249" +
		"0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798" +
		"7a1c64734bb40c01fb46ea4cd8d17b47a565cb9e4089e77398b3377db6026381" +
		"02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
)

func TestReference_AcceptsTheKnownSignature(t *testing.T) {
	signature := parse(t, golden.RingSignature.Bytes())
	if !bytes.Equal(signature.Member(0), golden.RingKeyA.Bytes()) || !bytes.Equal(signature.Member(1), golden.RingKeyB.Bytes()) {
		t.Errorf("members are %x and %x", signature.Member(0), signature.Member(1))
	}
	if err := (ring.Reference{}).Verify(sha256.Sum256([]byte(golden.RingMessage)), signature); err != nil {
		t.Error(err)
	}
}

func TestReference_AcceptsEveryRequestThatTheChainPaidFor(t *testing.T) {
	sessions, err := golden.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for _, session := range sessions {
		for i, relay := range session.Relays {
			message, err := relay.Request.GetSignableBytesHash()
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(message, relay.Request.Meta.Signature); err != nil {
				t.Errorf("%s, request %d: %v", session.Name, i, err)
			}
			verified++
		}
	}
	if verified == 0 {
		t.Fatal("there are no recorded requests")
	}
}

func TestReference_AlignsShortChallengesAsTheChainDoes(t *testing.T) {
	message := sha256.Sum256([]byte(leftAlignedMessage))
	bz := leftAligned.Bytes()
	if err := verify(message, bz); err != nil {
		t.Errorf("challenge at the left: %v", err)
	}
	challenge := bz[4:36]
	copy(challenge[1:], slices.Clone(challenge[:31]))
	challenge[0] = 0
	if err := verify(message, bz); !errors.Is(err, ring.ErrInvalid) {
		t.Errorf("challenge at the right: got %v, want ErrInvalid", err)
	}
}

// Every part of the signature has several of the bits that are changed.
func TestReference_RefusesASignatureWithABitChanged(t *testing.T) {
	message := sha256.Sum256([]byte(golden.RingMessage))
	valid := golden.RingSignature.Bytes()
	for i := 0; i < len(valid); i += 5 {
		bz := slices.Clone(valid)
		bz[i] ^= 1 << (i % 8)
		err := verify(message, bz)
		if !errors.Is(err, ring.ErrInvalid) && !errors.Is(err, ring.ErrMalformed) {
			t.Errorf("byte %d changed: got %v, want a refusal", i, err)
		}
	}
}

func TestReference_RefusesAnotherMessage(t *testing.T) {
	message := sha256.Sum256([]byte(golden.RingMessage))
	for bit := 0; bit < 256; bit += 37 {
		changed := message
		changed[bit/8] ^= 1 << (bit % 8)
		if err := verify(changed, golden.RingSignature.Bytes()); !errors.Is(err, ring.ErrInvalid) {
			t.Errorf("bit %d changed: got %v, want ErrInvalid", bit, err)
		}
	}
}

func TestReference_TellsMalformedPartsFromWrongOnes(t *testing.T) {
	message := sha256.Sum256([]byte(golden.RingMessage))
	order := secp256k1.Params().N.Bytes()
	zero, ones := make([]byte, 33), bytes.Repeat([]byte{0xff}, 33)
	offCurve := slices.Concat([]byte{2}, make([]byte, 32))
	const challenge, image, scalar, member = 4, 36, 69, 101
	for _, c := range []struct {
		name string
		at   int
		put  []byte
		want error
	}{
		{"challenge zero", challenge, zero[:32], ring.ErrInvalid},
		{"challenge is the order", challenge, order, ring.ErrInvalid},
		{"scalar zero", scalar, zero[:32], ring.ErrInvalid},
		{"scalar above the order", scalar, ones[:32], ring.ErrInvalid},
		{"image of another key", image, publicKey(5), ring.ErrInvalid},
		{"another member", member, publicKey(5), ring.ErrInvalid},
		{"image zero", image, zero, ring.ErrMalformed},
		{"image off the curve", image, offCurve, ring.ErrMalformed},
		{"image above the field", image, slices.Concat([]byte{2}, ones[:32]), ring.ErrMalformed},
		{"image of unknown parity", image, slices.Concat([]byte{4}, publicKey(5)[1:]), ring.ErrMalformed},
		{"member zero", member, zero, ring.ErrMalformed},
		{"member off the curve", member, offCurve, ring.ErrMalformed},
		{"member above the field", member, slices.Concat([]byte{3}, ones[:32]), ring.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			bz := golden.RingSignature.Bytes()
			copy(bz[c.at:], c.put)
			if err := verify(message, bz); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestReference_RefusesASignatureThatWasNotParsed(t *testing.T) {
	var none ring.Signature
	if err := (ring.Reference{}).Verify(hello, none); !errors.Is(err, ring.ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
}

func BenchmarkParse(b *testing.B) {
	bz := golden.RingSignature.Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Parse(bz); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReference(b *testing.B) {
	for _, size := range []int{2, 3, 5} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			signature := parse(b, sign(b, hello, size))
			b.ReportAllocs()
			for b.Loop() {
				if err := (ring.Reference{}).Verify(hello, signature); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	signer := newSigner(b, privateKey(1), publicKeys(2))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := signer.Sign(hello); err != nil {
			b.Fatal(err)
		}
	}
}
