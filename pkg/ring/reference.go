package ring

import (
	"fmt"

	ringgo "github.com/pokt-network/ring-go"
)

// Reference verifies with ring-go. It is slow and is the measure of truth.
type Reference struct{}

// Verify checks that signature is a valid signature of message, a SHA-256 hash,
// by one of the signature's own members. It returns nil, ErrInvalid, or an error
// that wraps ErrMalformed if a part is not a scalar or curve point. It does
// not panic, whatever the bytes.
func (Reference) Verify(message [32]byte, signature Signature) (err error) {
	// ring-go indexes without looking. Parse has excluded the inputs that are
	// known to make it panic; a stranger's bytes must not find another one.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrMalformed, r)
		}
	}()
	if signature.size == 0 {
		return fmt.Errorf("%w: empty ring", ErrMalformed)
	}
	var sig ringgo.RingSig
	if err := sig.Deserialize(ringgo.Secp256k1(), signature.bz); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !sig.Verify(message) {
		return ErrInvalid
	}
	return nil
}
