// Package session keeps the evidence of served relays and turns it into claims
// and proofs. It knows the life of a session; how relays arrive and how
// transactions are brought on chain it does not.
//
// A session's trie is a pure function of its leaves, so the leaves are what is
// kept: mined relays go into the relay store (package store) as they come, and
// root and proof are computed by walking over them (package trie) when they are
// needed. Beside the leaves the store holds one Record per session with its
// state and its story.
//
// The sessions manager is driven by blocks. At each block it asks, for each
// session without an outcome, what is to be done (nextStep, a pure function of
// the session's state, its windows and the height), and does it: seal, claim,
// prove, settle. A step that fails is due again at the next block until its
// window is closed; nothing is deleted because of an error. What a step is about
// to do is on disk before it is done, and every step first looks at what the
// chain holds, so that a restart at any point, or another replica's work, only
// leads to the next step. While the store cannot write, sessions whose root is
// written go on in memory: their claims and proofs are due whatever the disk does.
//
//	open → sealed → claiming → claimed → (proof required?) → proving → proven → settled
//	                                  ↘ not required ────────────────────────↗
//	outcomes otherwise: empty, unprofitable, missed, rejected, conflict, expired
//
// Invariants:
//   - A root is written before its claim is sent and never changes. A relay that
//     comes after the seal is refused, with the reason in its receipt.
//   - Heights are the clock. Windows follow from the parameters at the session's
//     end, prices and difficulty from those at its start (x/shared, x/proof).
//   - No proof is sent for a claim whose root on chain is not ours.
//
// What is left of sessions that are over is a Keeper's affair: it deletes relays
// and records when their time has come, and writes records as files. A FundsMonitor
// watches what the suppliers have to pay fees and penalties with.
//
// An Inspector shows the sessions of a store to the operator, verifies them,
// moves them between stores as files, adds up what they earned, and drops them, at rest and while a
// sessions manager works on them.
package session
