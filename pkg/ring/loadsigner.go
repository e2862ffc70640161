package ring

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// LoadSigner signs as one member of a ring, like Signer but some twenty times as fast, so
// that a few signers can keep a relay miner busy. It may be used concurrently.
//
// It is for load generators and tests only: how long it takes depends on the private
// key, which somebody who measures that can find out.
type LoadSigner struct {
	generator *curve.Comb
	members   []*entry
	signer    int // which member
	image     *entry
	key       secp256k1.ModNScalar
}

// NewLoadSigner returns a signer for what NewSigner takes, with the same errors.
func NewLoadSigner(privateKey []byte, members [][]byte) (*LoadSigner, error) {
	if _, err := NewSigner(privateKey, members); err != nil {
		return nil, err
	}
	members = widened(members)
	generator := curve.Generator()
	s := &LoadSigner{generator: curve.NewComb(&generator, generatorWidth)}
	s.key.SetByteSlice(privateKey)
	own := secp256k1.NewPrivateKey(&s.key).PubKey().SerializeCompressed()
	var k check
	for i, member := range members {
		e := k.earlier(i, member)
		if e == nil {
			var err error
			if e, err = k.compute(false, member); err != nil {
				return nil, fmt.Errorf("ring signer: public key %d: %w", i, err)
			}
		}
		k.members[i] = e
		s.members = append(s.members, e)
		if bytes.Equal(member, own) {
			s.signer = i
		}
	}
	k.odds.Build()
	image, err := k.compute(true, s.imageOf(s.members[s.signer]))
	if err != nil {
		return nil, fmt.Errorf("ring signer: key image: %w", err)
	}
	s.image = image
	k.odds.Build()
	for _, e := range k.fresh {
		e.buildCombs(generatorWidth)
	}
	return s, nil
}

// imageOf returns the signer's key image, compressed.
func (s *LoadSigner) imageOf(own *entry) []byte {
	var image [1]curve.Point
	var affine [1]curve.Affine
	var bz [KeySize]byte
	var zero secp256k1.ModNScalar
	key, none := curve.NewMultiplier(&s.key), curve.NewMultiplier(&zero)
	curve.Sum(&image[0], &key, own.hash.base(), &none, own.hash.base())
	curve.Normalize(affine[:], image[:])
	affine[0].Encode(&bz)
	return bz[:]
}

// Sign returns the signature of message, a SHA-256 hash.
func (s *LoadSigner) Sign(message [32]byte) ([]byte, error) {
	var random [MaxMembers * scalarSize]byte
	size := len(s.members)
	if _, err := rand.Read(random[:size*scalarSize]); err != nil {
		return nil, fmt.Errorf("ring signer: %w", err)
	}
	k := check{image: s.image}
	copy(k.preimage[:], message[:])
	var responses, challenges [MaxMembers]secp256k1.ModNScalar
	var c secp256k1.ModNScalar // zero: the signer's points are multiples of its nonce alone
	for step := range size {
		i := (s.signer + step) % size
		responses[i].SetByteSlice(random[i*scalarSize : (i+1)*scalarSize])
		if !k.step(s.generator, s.members[i], &responses[i], &c) {
			return nil, fmt.Errorf("ring signer: %w: challenge is no scalar", ErrMalformed)
		}
		challenges[(i+1)%size] = c
	}
	own := &responses[s.signer] // the nonce until here
	own.Add(c.Mul(&s.key).Negate())

	bz := make([]byte, 0, headerSize+size*memberSize)
	bz = binary.BigEndian.AppendUint32(bz, uint32(size))
	bz = appendScalar(bz, &challenges[0])
	bz = append(bz, s.image.key.point[:]...)
	for i, e := range s.members {
		bz = appendScalar(bz, &responses[i])
		bz = append(bz, e.key.point[:]...)
	}
	return bz, nil
}

func appendScalar(bz []byte, s *secp256k1.ModNScalar) []byte {
	scalar := s.Bytes()
	return append(bz, scalar[:]...)
}
