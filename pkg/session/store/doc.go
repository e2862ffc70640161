// Package store keeps relays durable: the leaves of the session trees of all
// suppliers, one record per session and a few named heights, in one embedded
// key-value store (pebble) with one write-ahead log.
//
// # The idea
//
// A session's trie is a pure function of its leaves, so the leaves are all that
// has to be kept while the session is open, and keeping one is an append to a
// log. The store sorts them by trie path in the background, so that at the claim
// a walk over a session yields them in exactly the order from which the root is
// computed in one pass. Sessions share the log, its syncs and the table files:
// what one sync costs is paid once for all relays that wait for it, and open
// files do not grow with the number of sessions.
//
// # Layout
//
//	0x01 "cursor/" name    -> height(8)
//	0x02 session           -> the session's record
//	0x03 session path(32)  -> flags(1) weight(8) relay
//
//	session = len(1) supplier end height(8) len(1) session id
//
// Integers are big endian. Length prefixes make the encoding unambiguous: no
// session's key is a prefix of another's. The record's bytes and the relay's
// bytes are opaque here. The version of this layout is in the name of a file,
// relaystore.format.1; Open refuses any other with ErrFormat, before anything is
// touched.
//
// # The way of a leaf
//
// Append puts the leaf into a bounded queue and returns. One goroutine, the
// committer, takes what is queued, writes it as one batch, syncs once and calls
// the leaves' done functions; leaves that arrive meanwhile form the next batch.
// Records, cursors and deletions go through the same queue, so everything is
// written in the order in which it was handed over.
//
// # What survives what
//
// Acknowledged means that done was called with nil, or that PutRecord and its
// like returned nil.
//
//	fault                         Durability Reply       Durability Interval
//	process killed at any instant all acknowledged       all acknowledged
//	power lost, torn write        all acknowledged       all records, and all leaves but
//	                                                     those of the last Interval
//	write or sync fails (EIO)     all acknowledged       as for lost power
//	disk full                     all acknowledged       as for lost power
//	bits flip in a table file     detected when read: CorruptionError names the
//	                              session; sessions in other blocks are unharmed
//
// The assumptions: a sync that succeeded is kept; a file or directory entry that
// was not synced may be lost or torn in any way; a file once synced changes only
// by decay, which checksums of every block detect. A log that ends in garbage
// is read up to its last whole batch. The flaw that comes with that rule: decay
// in the part of the log that is not yet sorted into tables (at most the last
// few tens of MiB) looks like such an end, if it happens between a crash and
// the next Open; and when it is in a log before the last, Open refuses the
// store.
//
// A leaf that was not acknowledged can be in the store nevertheless. The reader
// who computes a root calls Sync after the session's last Append, and walks the
// leaves after Sync has returned nil: what the walk yields then can not
// disappear any more.
//
// # When the disk fails
//
// Pebble has no answer to a failed write of its log or manifest: depending on
// the place it panics, some of it in ways that can not be recovered from, or
// calls the logger's Fatalf, which by default ends the process. So it never sees
// such a failure. It works on a guarded file system (guard.go), and the first
// failed write of that kind freezes the files: every later change that pebble
// makes is answered with success and goes nowhere, as though the process had
// been killed at that instant. From here on the failure is a crash, which
// pebble is built to recover from:
//
//   - leaves not acknowledged are reported as failed with ErrUnavailable, as is
//     every Append until the store has recovered;
//   - what is stored stays readable while the disk is probed, with a backoff;
//   - when a probe succeeds and there is space, the frozen pebble is closed and
//     the store is opened again: the log is replayed, and what was replayed is
//     written and synced anew, because a sync that failed says nothing about
//     which pages are on the disk. Reads fail with ErrUnavailable during that
//     time.
//
// A table file that can not be written is no such failure: its content is still
// in the log, and pebble tries again. Intake stops until it succeeds, and
// freezes the files if the writes pile up behind it.
//
// Free disk space is watched, and intake stops at Options.MinFreeBytes, so that
// the space for records, claims and compactions is there when relays have
// filled the disk.
//
// # What it leaves to others
//
// The store does not know what a relay, a root or a record means, does not
// refuse leaves of sealed sessions and never deletes anything by itself.
package store
