// Package simchain is a chain in memory behind the interfaces of pkg/relayer, for
// tests and benchmarks of the whole relay miner that need no node: it makes blocks
// when it is told to, has sessions, includes claims and proofs in the next block,
// judges proofs, settles claims, and slashes for those that are missing.
//
// It follows x/session, x/proof and x/tokenomics where the relay miner depends on
// them. What a real chain demands is tested on one, in testutil/localnet and
// testutil/e2e.
package simchain
