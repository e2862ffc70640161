// Package queue orders the work that sessions wait for: what a worker takes
// next, what may not be taken now, and what does not fit into memory. It knows
// priorities, heights and keys; what the work is it does not.
//
// The one idea: the queue holds the most urgent items only, in one sorted line,
// and forgets the rest. That loses nothing, because every item is known to a
// Backlog too (the sessions in the relay store are one): the queue only has to
// remember that something was forgotten, and how urgent the most urgent of it
// was. An item that is no more urgent than that is not taken into memory, so
// that the line never holds anything that should wait for what was forgotten.
// When the line gets short, the backlog is asked.
//
// An item is in one of these places:
//
//	          Add                    Take                Done
//	backlog ──────→ waiting in line ──────→ being worked on ──→ gone
//	   ↑  ↖ bound      ↑ Advance                 │ Retry
//	   │    └──────────┴── later, at a height ←──┘
//	   └──────────────────────┘ bound
//
// Invariants:
//
//   - An item that was added is given out, unless it is removed: as long as the
//     backlog keeps its promise, no bound, error or reset loses it.
//   - Of the items that may be given out, the most urgent is (see Less), those in
//     the backlog included. Equally urgent ones are given out as they arrived.
//     This holds as long as the backlog can be read.
//   - A key is worked on by one worker at a time. What is added meanwhile is
//     worked on once more afterwards.
//   - Required proofs are given out whatever is paused: without its proof a claim
//     does not only go unpaid, it is slashed. So are urgent claims, since a pause
//     that is forgotten would cost them.
//   - Heights are the only clock, and no worker spins: what cannot be had now
//     (an item retried at a height, a backlog that fails) is not asked for again
//     before Advance.
//   - Memory is bounded: Bound items in line, as many that wait for a height, and
//     those that are worked on.
//
// The queue starts no goroutine. Adding and removing touch memory only; the
// backlog is read by the worker that finds the line short.
package queue
