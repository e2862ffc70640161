package trie

import "errors"

var (
	// ErrNotAscending is returned when a leaf's path is equal to that of the
	// leaf before it or comes before it.
	ErrNotAscending = errors.New("leaf path is not above the one before it")

	// ErrSumOverflow is returned when the weights add up to 2^64 or more. The
	// library would wrap the sum around.
	ErrSumOverflow = errors.New("sum of leaf weights exceeds 64 bits")

	// ErrRootMismatch is returned when the leaves to prove from are not those
	// of the given root.
	ErrRootMismatch = errors.New("leaves do not have the claimed root")

	// ErrEmpty is returned when a proof is asked of a trie without leaves. The
	// library has one, of a placeholder at a path of 48 bytes; x/proof accepts
	// no claim that it could be for.
	ErrEmpty = errors.New("trie has no leaves")

	// ErrUnprovable is returned when the proof of the closest leaf does not
	// verify: the leaf has an empty value and no weight.
	ErrUnprovable = errors.New("proof of closest leaf does not verify")

	// ErrMalformed is returned for bytes or values that are not a root, a path
	// or the proof of a leaf, whatever trie they might be for.
	ErrMalformed = errors.New("malformed")

	// ErrProofSize is returned for proofs of more than MaxProofSize bytes.
	ErrProofSize = errors.New("proof exceeds size limit")
)
