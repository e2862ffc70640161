package ring

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	dleqtypes "github.com/pokt-network/go-dleq/types"
	ringgo "github.com/pokt-network/ring-go"
)

// ErrNotMember is returned when the signer's key is not in the ring.
var ErrNotMember = errors.New("signing key is not a member of the ring")

// Signer signs messages as one member of a ring. It may be used concurrently.
type Signer struct {
	curve   ringgo.Curve
	members []dleqtypes.Point // only ever copied, see Sign
	key     dleqtypes.Scalar
}

// NewSigner returns a signer with the given private key, 32 bytes big endian,
// for the ring of the given compressed public keys, in that order. There are 1
// to MaxMembers of them. A ring of one key is widened to that key twice, which
// is how an application without gateways signs. The error wraps ErrNotMember if
// the private key is of none of them; no error shows the private key.
func NewSigner(privateKey []byte, members [][]byte) (*Signer, error) {
	if err := checkPrivateKey(privateKey); err != nil {
		return nil, fmt.Errorf("ring signer: %w", err)
	}
	if len(members) < 1 || len(members) > MaxMembers {
		return nil, fmt.Errorf("ring signer: ring of %d members, allowed are 1 to %d", len(members), MaxMembers)
	}
	members = widened(members)
	curve := ringgo.Secp256k1()
	key, err := curve.DecodeToScalar(privateKey)
	if err != nil {
		return nil, fmt.Errorf("ring signer: private key: %w", err)
	}
	own := curve.ScalarBaseMul(key).Encode()
	points := make([]dleqtypes.Point, len(members))
	isMember := false
	for i, member := range members {
		if points[i], err = decodePoint(curve, member); err != nil {
			return nil, fmt.Errorf("ring signer: public key %d (%x): %w", i, member, err)
		}
		isMember = isMember || bytes.Equal(member, own)
	}
	if !isMember {
		return nil, fmt.Errorf("ring signer: %w", ErrNotMember)
	}
	return &Signer{curve: curve, members: points, key: key}, nil
}

// widened returns a ring of one key as that key twice, and others as they are.
func widened(members [][]byte) [][]byte {
	if len(members) == 1 {
		return [][]byte{members[0], members[0]}
	}
	return members
}

// checkPrivateKey refuses what ring-go would silently take modulo the curve's
// order, that is, as another key.
func checkPrivateKey(bz []byte) error {
	if len(bz) != scalarSize {
		return fmt.Errorf("private key has %d bytes, want %d", len(bz), scalarSize)
	}
	var scalar secp256k1.ModNScalar
	if overflow := scalar.SetByteSlice(bz); overflow || scalar.IsZero() {
		return errors.New("private key is not between 1 and the curve's order")
	}
	return nil
}

// decodePoint decodes a compressed public key. The library's decoder also takes
// uncompressed ones, which no ring on the chain has.
func decodePoint(curve ringgo.Curve, key []byte) (dleqtypes.Point, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("%d bytes, want %d", len(key), KeySize)
	}
	return curve.DecodeToPoint(key)
}

// Sign returns the signature of message, a SHA-256 hash.
func (s *Signer) Sign(message [32]byte) ([]byte, error) {
	// Comparing and encoding a point of ring-go writes to it. This copies the
	// members, so that no two calls share a point.
	ring, err := ringgo.NewFixedKeyRingFromPublicKeys(s.curve, s.members)
	if err != nil {
		return nil, fmt.Errorf("ring signer: %w", err)
	}
	sig, err := ring.Sign(message, s.key)
	if err != nil {
		return nil, fmt.Errorf("ring signer: %w", err)
	}
	return sig.Serialize()
}
