// Package prover builds the proofs of sessions on whoever is free: on this machine,
// or on others over HTTP. It knows who may build a proof, how long that may take and
// what becomes of one that fails; what a proof is it does not.
//
// The one idea: a place is acquired before work is prepared. A Pool has a fixed
// number of provers, each of which builds one proof at a time, so that what is held
// for proofs in memory, open files and readers of the store is bounded by that number
// and not by the number of sessions that end at once.
//
//	Acquire → Lease → Prove: Start, Result, verify ─→ proof
//	                          │ failed, slow, wrong
//	                          ↓
//	              the prover cools off, another one takes the work over
//
// Invariants:
//
//   - No proof is returned that has not passed the caller's verification, whoever
//     has built it.
//   - No more proofs are built at once than the pool has provers. A prover whose
//     work was given up is free only when it has come back.
//   - No prover is lost: what fails is tried again after a pause that grows to a
//     bound. A local prover never pauses, and there is one at least, so that a proof
//     does not depend on any other machine.
//   - Every goroutine belongs to the pool's group. Stop cancels the work, tells the
//     provers, and waits.
//
// A remote prover shares no store: the leaves of the session are streamed to it in
// the order of their paths, and it computes while they arrive. It keeps no more of
// them than a proof needs, and nothing when the result was fetched. NewHandler is
// the server's side of that; wire.go describes the protocol.
package prover
