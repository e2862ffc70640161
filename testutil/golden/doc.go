// Package golden holds what the rest of the relay miner is checked against:
// sessions that the official relay miner served, claimed and proved on a real
// chain, and single computations with known answers. README.md says where they
// come from.
//
// The recordings are embedded, so tests of any package can use them wherever
// they run. Everything returned is a fresh copy that the caller may change.
//
// The package only decodes. Whether the recordings are true is what its own
// tests show, with the chain's libraries: that signatures verify, that the
// relays have the claimed root, and that the proof opens it.
package golden
