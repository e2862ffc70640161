// Package localnet runs a real Pocket chain inside the process that asks for
// it: the chain's own application under a CometBFT node with one validator,
// together with what a relay miner needs around it: staked applications,
// gateways and suppliers with their keys, services with a backend, and a
// relay miner's configuration file.
//
// The one idea is that nothing about the chain is imitated. Claims, proofs and
// settlements are judged by the code that judges them on the live network; only
// the genesis is ours, built in code from the chain's own types, and the clock,
// which a single validator can let run at many blocks a second. The first block
// is there well within a second of Start.
//
// What holds:
//
//   - The same Config yields the same keys, addresses and stakes in every run.
//     Session ids differ, as they depend on block hashes and those on time.
//   - Every account has its public key on chain from the start, and modules hold
//     what is staked with them, so that burning and slashing work.
//   - With the parameters of the default genesis all suppliers are in every
//     session, and claim and proof windows are four blocks long.
//   - Whatever panics inside the chain becomes an error: of Start, or of
//     everything that waits for a block.
//   - StopNode looks to clients like the end of the node's process: connections
//     break, and new ones are refused until StartNode, which goes on at the same
//     height and addresses.
//   - All servers listen on loopback unless the Config names other addresses.
//
// The SDK's address prefixes and version are variables of the process, which
// ConfigureSDK sets; several networks can run one after another or side by side.
// Keys follow from names in this source, so a network must never hold anything
// of value.
//
// The package knows nothing of how relays are served, mined or claimed.
package localnet
