//go:build !cgo

package auth

import (
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// heldKey is a private key for builds without C. How long it takes to sign depends
// a little on the nonce, as it does in the Cosmos SDK.
type heldKey struct{ key *secp256k1.PrivateKey }

// newHeldKey returns the key of the 32 bytes.
func newHeldKey(bytes []byte) *heldKey { return &heldKey{secp256k1.PrivKeyFromBytes(bytes)} }

// sign returns R and S of the signature of a hash of 32 bytes.
func (k *heldKey) sign(hash []byte) ([]byte, error) {
	signed := ecdsa.Sign(k.key, hash)
	r, s := signed.R(), signed.S()
	signature := make([]byte, 64)
	r.PutBytesUnchecked(signature[:32])
	s.PutBytesUnchecked(signature[32:])
	return signature, nil
}
