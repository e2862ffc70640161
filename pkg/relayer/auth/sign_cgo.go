//go:build cgo

package auth

import (
	"slices"

	"github.com/ethereum/go-ethereum/crypto/secp256k1"
)

// heldKey is a private key for libsecp256k1, whose time to sign does not depend
// on the key or the nonce.
type heldKey struct{ bytes []byte }

// newHeldKey returns the key of the 32 bytes.
func newHeldKey(bytes []byte) *heldKey { return &heldKey{slices.Clone(bytes)} }

// sign returns R and S of the signature of a hash of 32 bytes.
func (k *heldKey) sign(hash []byte) ([]byte, error) {
	signature, err := secp256k1.Sign(hash, k.bytes)
	if err != nil {
		return nil, err
	}
	return signature[:64:64], nil // without the recovery id
}
