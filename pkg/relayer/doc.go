// Package relayer is the contract of the relay miner: the interfaces of its
// parts, the values that travel between them, and NewRelayMiner, which joins
// the parts into one running whole.
//
// A relay passes through three parts. The RelayerProxy authenticates a
// request, has it answered by the service, signs the answer and publishes the
// pair as a served relay. The Miner hashes served relays and keeps those that
// meet the difficulty of their session. The RelayerSessionsManager stores mined
// relays as the leaves of one sparse Merkle sum trie per session and supplier,
// claims each trie's root on chain when the session is over, and proves it when
// the chain asks. Data moves in that direction only.
//
// The package knows no implementation. Constructors of the parts take a
// depinject.Config and return these interfaces, so that any part can be swapped
// by supplying another value for its interface.
package relayer
