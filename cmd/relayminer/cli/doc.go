// Package cli is the relay miner's front door: its commands, one to a file, and
// the wiring by which `relayminer start` joins the parts. It knows flags,
// configuration and process signals, and nothing of how the parts work.
//
// Errors are printed on one line that names the setting and the fix, without a
// stack trace, and end the process with status 1.
package cli
