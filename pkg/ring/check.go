package ring

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// check is the memory in which signatures are verified, one after the other.
type check struct {
	members [MaxMembers]*entry
	image   *entry
	fresh   []*entry // of the above, those that are not from the cache
	odds    curve.OddBuilder

	sums     [2]curve.Point
	affine   [2]curve.Affine
	preimage [32 + 2*KeySize]byte
}

var (
	errNoPoint = errors.New("not a point of the curve")
	errNoHash  = errors.New("does not hash to the curve")
)

// load takes from the cache, or else computes, what depends on the signature's
// points alone. The error wraps ErrMalformed if one is not a point.
func (k *check) load(cached *cache, s Signature) error {
	if k.image = cached.get(true, s.image()); k.image == nil {
		var err error
		if k.image, err = k.compute(true, s.image()); err != nil {
			return fmt.Errorf("%w: key image: %w", ErrMalformed, err)
		}
	}
	for i := range s.size {
		key := s.Member(i)
		e := cached.get(false, key)
		if e == nil {
			e = k.earlier(i, key)
		}
		if e == nil {
			var err error
			if e, err = k.compute(false, key); err != nil {
				return fmt.Errorf("%w: member %d: %w", ErrMalformed, i, err)
			}
		}
		k.members[i] = e
	}
	k.odds.Build()
	return nil
}

// earlier returns the entry of a member before i that has the same key, or nil.
func (k *check) earlier(i int, key []byte) *entry {
	for _, e := range k.members[:i] {
		if bytes.Equal(e.key.point[:], key) {
			return e
		}
	}
	return nil
}

// compute returns a fresh entry for a key image or a member. Its multiples are
// there after the next build of odds.
func (k *check) compute(image bool, point []byte) (*entry, error) {
	var p, h curve.Affine
	if !p.Decode(point) {
		return nil, errNoPoint
	}
	e := &entry{key: cacheKey{image: image, point: [KeySize]byte(point)}}
	if !image {
		if !hashToCurve(&h, point) {
			return nil, errNoHash
		}
		e.hash = &tables{}
		k.odds.Add(&e.hash.odd, &h)
	}
	k.odds.Add(&e.point.odd, &p)
	k.fresh = append(k.fresh, e)
	return e, nil
}

// reset forgets the signature.
func (k *check) reset(s Signature) {
	k.odds.Reset()
	clear(k.members[:s.size])
	clear(k.fresh)
	k.image, k.fresh = nil, k.fresh[:0]
}

// run goes around the ring from the signature's challenge and returns whether it comes
// back to it: nil, ErrInvalid, or an error that wraps ErrMalformed. The entries
// were loaded.
func (k *check) run(generator *curve.Comb, message *[32]byte, s Signature) error {
	var first, c, response secp256k1.ModNScalar
	first.SetByteSlice(s.challenge())
	c = first
	copy(k.preimage[:], message[:])
	for i := range s.size {
		response.SetByteSlice(s.scalar(i))
		if !k.step(generator, k.members[i], &response, &c) {
			return fmt.Errorf("%w: challenge is no scalar", ErrMalformed)
		}
	}
	if !c.Equals(&first) {
		return ErrInvalid
	}
	return nil
}

// step sets c, the challenge of a member, to that of the next. The preimage begins with the
// message. It returns false where challengeOf does.
func (k *check) step(generator *curve.Comb, member *entry, response, c *secp256k1.ModNScalar) bool {
	r, n := curve.NewMultiplier(response), curve.NewMultiplier(c)
	curve.Sum(&k.sums[0], &r, curve.Base{Comb: generator}, &n, member.point.base())
	curve.Sum(&k.sums[1], &r, member.hash.base(), &n, k.image.point.base())
	curve.Normalize(k.affine[:], k.sums[:])
	k.affine[0].Encode((*[KeySize]byte)(k.preimage[32:]))
	k.affine[1].Encode((*[KeySize]byte)(k.preimage[32+KeySize:]))
	return challengeOf(k.preimage[:], c)
}
