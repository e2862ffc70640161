package auth

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
)

// someKeys holds a key under each address.
type someKeys map[string]cryptotypes.PrivKey

func (k someKeys) Signer(address string) (cryptotypes.PrivKey, bool) {
	key, ok := k[address]
	return key, ok
}

// sdkKey is a key that signs by itself.
type sdkKey struct{ *secp256k1.PrivKey }

func TestSigner_SignsByteForByteAsTheCosmosSDK(t *testing.T) {
	for i := range uint64(500) {
		secret := binary.BigEndian.AppendUint64(nil, i)
		key := secp256k1.GenPrivKeyFromSecret(secret)
		signers := signers{keys: someKeys{"own": key, "foreign": sdkKey{key}}}
		message := bytes.Repeat(secret, int(i%5))
		want, err := key.Sign(message)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{"own", "foreign", "own"} {
			signer, ok := signers.of(address)
			if !ok || (signer.own == nil) != (address == "foreign") {
				t.Fatalf("signer of %s: %v", address, ok)
			}
			got, err := signer.sign(message)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s key %d signs %x, error %v, want %x", address, i, got, err, want)
			}
		}
		if !key.PubKey().VerifySignature(message, want) {
			t.Fatalf("signature %d does not verify", i)
		}
	}
}

func TestSigner_UnknownSupplierHasNone(t *testing.T) {
	signers := signers{keys: someKeys{}}
	if _, ok := signers.of("nobody"); ok {
		t.Error("there is a signer")
	}
	signers.made.Range(func(address, _ any) bool {
		t.Errorf("%s is remembered", address)
		return false
	})
}

func BenchmarkSign(b *testing.B) {
	key := secp256k1.GenPrivKeyFromSecret([]byte("supplier"))
	signers := signers{keys: someKeys{"own": key, "foreign": sdkKey{key}}}
	message := bytes.Repeat([]byte{7}, 32)
	for name, address := range map[string]string{"held key": "own", "Cosmos SDK": "foreign"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				signer, _ := signers.of(address)
				if _, err := signer.sign(message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
