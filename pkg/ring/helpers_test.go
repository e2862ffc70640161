package ring_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring"
)

// privateKey returns the scalar n as a private key.
func privateKey(n uint64) []byte {
	key := make([]byte, 32)
	binary.BigEndian.PutUint64(key[24:], n)
	return key
}

// publicKey returns the compressed point n·G.
func publicKey(n uint64) []byte {
	return secp256k1.PrivKeyFromBytes(privateKey(n)).PubKey().SerializeCompressed()
}

// publicKeys returns the points 1·G to n·G.
func publicKeys(n int) [][]byte {
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = publicKey(uint64(i + 1))
	}
	return keys
}

func newSigner(tb testing.TB, private []byte, members [][]byte) *ring.Signer {
	tb.Helper()
	signer, err := ring.NewSigner(private, members)
	if err != nil {
		tb.Fatal(err)
	}
	return signer
}

// sign returns a signature of message for the ring of 1·G to size·G.
func sign(tb testing.TB, message [32]byte, size int) []byte {
	tb.Helper()
	signature, err := newSigner(tb, privateKey(1), publicKeys(size)).Sign(message)
	if err != nil {
		tb.Fatal(err)
	}
	return signature
}

func parse(tb testing.TB, bz []byte) ring.Signature {
	tb.Helper()
	signature, err := ring.Parse(bz)
	if err != nil {
		tb.Fatal(err)
	}
	return signature
}

// verify parses and verifies.
func verify(message [32]byte, bz []byte) error {
	signature, err := ring.Parse(bz)
	if err != nil {
		return err
	}
	return ring.Reference{}.Verify(message, signature)
}

var hello = sha256.Sum256([]byte("hello"))

// newVerifier returns a verifier that is closed when the test is over.
func newVerifier(tb testing.TB, opts ...ring.Option) *ring.Verifier {
	tb.Helper()
	verifier, err := ring.NewVerifier(opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := verifier.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return verifier
}
