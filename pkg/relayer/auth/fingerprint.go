package auth

import (
	"crypto/sha256"

	"github.com/seed52205347/relayminer/pkg/ring"
)

// Fingerprint tells requests apart that were signed apart. It is the same for a
// signature and for those that anybody can make of it without a key: a ring can be
// turned, so that it begins with another member, and still verifies. It is false
// for bytes that are not framed as a signature.
//
// The scalars are drawn at random for each signature but the signer's, which
// follows from them, so that no two honest signatures share a fingerprint, not
// even those of equal requests.
func Fingerprint(signature []byte) (fingerprint [32]byte, ok bool) {
	parsed, err := ring.Parse(signature)
	if err != nil {
		return fingerprint, false
	}
	// A member is a scalar and a key; what comes before the members ends where
	// those of the parsed size begin.
	first := parsed.Member(0)
	const scalarSize = 32
	memberSize := scalarSize + len(first)
	members := signature[len(signature)-parsed.Size()*memberSize:]
	for ; len(members) > 0; members = members[memberSize:] {
		hash := sha256.Sum256(members[:memberSize])
		for i := range fingerprint {
			fingerprint[i] ^= hash[i]
		}
	}
	return fingerprint, true
}
