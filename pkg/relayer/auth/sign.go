package auth

import (
	"crypto/sha256"
	"sync"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// SignRelayResponse sets the response's payload hash and the signature of the
// supplier. The payload must not be empty (x/service: a response without a
// payload has no payload hash and cannot be proven).
func (a *Authenticator) SignRelayResponse(response *servicetypes.RelayResponse, operatorAddress string) error {
	key, ours := a.signers.of(operatorAddress)
	if !ours {
		return relayer.ErrUndefinedSigner.Wrapf("supplier %q", operatorAddress)
	}
	if err := response.UpdatePayloadHash(); err != nil {
		return relayer.ErrInvalidResponse.Wrapf("%w", err)
	}
	digest, err := response.GetSignableBytesHash()
	if err != nil {
		return relayer.ErrInvalidResponse.Wrapf("%w", err)
	}
	signature, err := key.sign(digest[:])
	if err != nil {
		return relayer.ErrInternal.Wrapf("sign as %q: %w", operatorAddress, err)
	}
	response.Meta.SupplierOperatorSignature = signature
	return nil
}

// signers holds the keys in the form in which they sign. Each is made when its
// supplier signs for the first time, so that there are no more than keys.
type signers struct {
	keys SigningKeys
	made sync.Map // operator address to signer
}

// of returns the signer of the supplier.
func (s *signers) of(operatorAddress string) (signer, bool) {
	if made, ok := s.made.Load(operatorAddress); ok {
		return made.(signer), true
	}
	key, ours := s.keys.Signer(operatorAddress)
	if !ours {
		return signer{}, false
	}
	made := signer{foreign: key}
	if plain, ok := key.(*secp256k1.PrivKey); ok {
		made = signer{own: newHeldKey(plain.Key)}
	}
	s.made.Store(operatorAddress, made)
	return made, true
}

// signer signs with one key: one that is held in memory, or a foreign one that
// signs by itself.
type signer struct {
	own     *heldKey
	foreign cryptotypes.PrivKey
}

// sign returns the signature of the SHA-256 hash of message: R and S, 32 bytes
// each, with S in the lower half. The nonce is that of RFC 6979, so that the
// bytes are those of the Cosmos SDK for the same key.
func (s signer) sign(message []byte) ([]byte, error) {
	if s.own == nil {
		return s.foreign.Sign(message)
	}
	hash := sha256.Sum256(message)
	return s.own.sign(hash[:])
}
