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
//
// Reference verifies with ring-go. Verifier gives the same verdicts and is many times
// as fast, because it has its own arithmetic and because it keeps what depends on keys alone:
// the points of members, what they are hashed to, key images, and multiples of them all.
// Its invariants:
//
//   - What it keeps has a bound in bytes. Members are kept only if the caller vouches
//     for them, key images only of valid signatures by such members, so that
//     strangers can neither fill the memory nor drive out what others need.
//   - Multiples in number are computed on one goroutine in the background, never while
//     a request waits.
//   - Some verdicts are compared with Reference's, within a share of a core. Where they
//     differ Reference's counts, is reported, and everything is left to Reference.
//
// Verification is variable-time, since all that it reads is public. Signer takes the time that
// ring-go takes; LoadSigner is fast, and for keys of no value only.
package ring
