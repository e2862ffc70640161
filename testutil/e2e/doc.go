// Package e2e holds the tests of the whole: a relay miner, wired as
// `relayminer start` wires it, on a real chain with a real service, and clients
// on loopback. It has no code of its own.
package e2e
