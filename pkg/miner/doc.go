// Package miner decides which served relays count: it brings each into the form
// in which the chain would see it in a proof, hashes that, and keeps the relays
// whose hash is below the target of their service at their session's start.
//
// The form is a relay's canonical encoding without the response's payload; the
// response's signature covers the payload's hash instead (x/service). The chain
// accepts a proof only for a relay whose hash is strictly below the target
// (x/proof), hence so does the miner.
//
// A relay that cannot be judged, because the chain could not be asked for the
// target, is reported as refused: it is never dropped in silence. Storage is
// left to the sessions manager.
package miner
