// Package ring checks and makes the linkable ring signatures with which
// applications and gateways sign relay requests. It knows secp256k1 and the wire
// format; whose keys may sign what is the caller's knowledge.
//
// The scheme is the one of github.com/pokt-network/ring-go with its default
// (decred) backend, which is what the chain runs and judges proofs by. That
// library's other backend, built with the tag ethereum_secp256k1, reduces
// hashes to scalars differently and rejects about one percent of valid
// signatures; a build with that tag is refused.
//
// A signature is
//
//	size (4 bytes, big endian) | challenge (32) | key image (33) | size × ( scalar (32) | public key (33) )
//
// Parse reads that frame without touching a curve point, so that a caller can
// refuse rings of strangers for the price of a few comparisons before it pays
// for a verification.
package ring
