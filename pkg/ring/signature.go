package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes of the wire format, in bytes.
const (
	KeySize    = 33 // compressed public key
	scalarSize = 32
	headerSize = 4 + scalarSize + KeySize
	memberSize = scalarSize + KeySize
)

// MaxMembers is the largest ring that is accepted. A ring has one member for the
// application and for each of its gateways, to whose number the chain's parameter
// max_delegated_gateways sets a bound (7 by default) that only gateways add
// to whose undelegation is pending. A limit is needed since the work to verify grows
// with the ring, and a stranger would choose its size.
const MaxMembers = 32

// ErrMalformed is wrapped by the errors for bytes that are not a signature.
var ErrMalformed = errors.New("malformed ring signature")

// ErrInvalid is returned for a well-formed signature that does not verify.
var ErrInvalid = errors.New("ring signature does not verify")

// Signature is a view of the bytes of a signature. It does not copy them.
type Signature struct {
	bz   []byte
	size int
}

// Parse reads the frame of a signature. The ring must have 1 to MaxMembers
// members and the length must be exact; errors wrap ErrMalformed. Whether the
// parts are scalars and curve points is found out by verification.
func Parse(bz []byte) (Signature, error) {
	if len(bz) < headerSize+memberSize {
		return Signature{}, fmt.Errorf("%w: %d bytes are too few", ErrMalformed, len(bz))
	}
	size := binary.BigEndian.Uint32(bz)
	if size < 1 || size > MaxMembers {
		return Signature{}, fmt.Errorf("%w: ring of %d members, allowed are 1 to %d", ErrMalformed, size, MaxMembers)
	}
	if want := headerSize + int(size)*memberSize; len(bz) != want {
		return Signature{}, fmt.Errorf("%w: %d bytes for a ring of %d members, want %d", ErrMalformed, len(bz), size, want)
	}
	return Signature{bz: bz, size: int(size)}, nil
}

// Size returns the number of members of the ring.
func (s Signature) Size() int { return s.size }

// Member returns the compressed public key of member i, as it was sent.
func (s Signature) Member(i int) []byte {
	end := headerSize + (i+1)*memberSize
	return s.bz[end-KeySize : end : end]
}

// challenge returns the scalar with which going around the ring begins and ends.
func (s Signature) challenge() []byte { return s.bz[4 : 4+scalarSize] }

// image returns the key image, compressed.
func (s Signature) image() []byte { return s.bz[4+scalarSize : headerSize] }

// scalar returns the scalar of member i.
func (s Signature) scalar(i int) []byte {
	at := headerSize + i*memberSize
	return s.bz[at : at+scalarSize]
}
