// Package trie computes the root and the closest proof of a session's sparse
// Merkle sum trie from a stream of its leaves. It knows the encoding of the
// trie's nodes and the shape that a set of leaves gives the trie; it keeps no
// trie.
//
// # The trie
//
// The trie is that of github.com/pokt-network/smt v0.14.1 in the form that
// x/proof demands: SHA-256, and leaves that hold their whole value. Its shape
// is a function of the leaves' paths alone. A leaf hangs below the branch at
// which its path parts from the path next to it; a branch at depth d is where
// two paths first differ in bit d. Between one branch and the next lie inner
// nodes with a single child, whose other child hashes to zeros; a leaf has no
// such nodes directly above it. The digest of a node is the SHA-256 of its
// encoding, followed by the sum of the weights and the number of the leaves
// below it, both as 8 bytes, big-endian:
//
//	leaf       0x00, path (32), value, weight (8), 1 (8)
//	inner      0x01, left digest (48), right digest (48), sum (8), count (8)
//	extension  0x02, from (1), to (1), path (32), child digest (48), sum (8), count (8)
//
// An extension stands for the single-child nodes at depths from..to-1 and has
// the digest of the topmost of them. It is met only as the sibling data of a
// proof.
//
// # The idea
//
// When leaves come in ascending order of their paths, the depth at which a leaf
// parts from the one before it says which subtrees are complete. A fold over
// the leaves therefore needs to hold only the complete left subtrees along the
// path of the newest leaf, each reduced to its digest: at most 256 of them,
// however many leaves there are.
//
// The closest leaf is the one reached by following the bits of the asked path
// from the root, where a branch is met, and the only way there is where none
// is. A new leaf is the rightmost so far; hence it either becomes the closest
// leaf, or leaves it as it is, and which of the two follows from the one bit of
// the asked path at the depth where the new leaf parts. So one candidate at a
// time is held with its sibling and its side nodes, which the fold yields from
// the bottom up as it completes the subtrees around the candidate.
//
// # Invariants
//
//   - The root is the library's to the byte, and so is each field of a proof but
//     for the bits of an extension sibling's path outside of the extension, which
//     are not hashed and which the library takes from whichever leaf came first.
//   - No proof is returned that has not passed the library's verifier.
//   - A leaf's value is read only during its own step of the stream, once.
//   - Memory does not grow with the number of leaves. ComputeRoot holds about
//     16 KiB, Prove in addition two leaves and at most 256 side nodes.
//   - No allocation is made per leaf.
//   - The package has no state; its functions can be called concurrently.
//
// # What it leaves to others
//
// Where leaves are kept, how they come to be in order, when a root is claimed
// and for which path a proof is asked. Duplicates and leaves out of order are
// refused, not repaired.
package trie
