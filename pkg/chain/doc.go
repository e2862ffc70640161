// Package chain is the door to the chain: it knows how to reach a Pocket node,
// how to follow its blocks, how to ask it questions and how to hand it a
// transaction. Nothing outside of it speaks CometBFT RPC or gRPC to a node.
//
// Dial opens a Node, the connection, to one address or to several of each kind:
// gRPC for questions, RPC for blocks, RPC for transactions. Of each kind one is in
// use. It is kept until it gives no answer or falls more than two blocks behind
// another; then the next one that is well takes its place, and the call that found
// out is made there. The others are looked at in the background. Four things
// stand on a Node:
//
//   - BlockDriver emits every committed block once, in order and without gaps,
//     from a websocket subscription when that speaks and by polling when it is
//     silent; a subscription that stays silent is opened anew.
//   - Queries answers the relayer's questions. What is pinned to a height is the
//     same for ever and is remembered in bounded caches; what is true only now
//     is remembered until the next block at most.
//   - Prefetcher prepares a session when it begins: it asks what the first relays
//     would have to wait for, and has others learn what they need of the answers.
//   - package tx, below, brings messages on chain through Node's Simulate,
//     Broadcast and FindTx.
//
// The one idea is that an answer and the lack of one are different things. A
// query ends in a value, in relayer.ErrNotFound when the chain has said that
// there is none, or in an error that says nothing about existence; the last is
// never remembered and never taken for the second.
//
// Invariants:
//
//   - No lock is held across a network call. Callers who ask the same question
//     at the same time share one query, which does not belong to any of them: one
//     caller's cancellation does not fail the others.
//   - A height below one that was already emitted, or a block that does not
//     continue the one before it, is ErrChainRegressed and is not emitted. Where
//     there are several nodes, the one that shows such a block is not used again.
//   - No address is used before it has said that it is on the right chain.
//   - Where there are several nodes, no answer is believed that comes from an older
//     state than one before it: what was there does not become absent by a change
//     of nodes. Of a single address, behind which there can be several, that holds
//     for answers that something is absent.
//   - A private key appears in no log, error or format verb.
//
// What sessions, claims and proofs mean is left to the packages that ask.
package chain
