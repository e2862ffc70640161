// Package tx brings messages on chain before their deadline: it knows how
// messages become transactions, and what to do until the chain shows their
// effect.
//
// A Submitter gives each signer one goroutine, its owner, and all owners work at
// the same time. An owner collects messages, packs them into transactions, has
// the chain simulate each, signs it, has the attempt recorded, and sends it. With
// every block it asks the chain's state which messages are in force, and does for
// the others the least that can help:
//
//   - a transaction that can still be included is sent again, the same bytes;
//   - a transaction that was included and failed, that every node refused, or
//     whose time is over, gives its messages back, and they travel in a new one;
//   - a message whose deadline has passed is given up.
//
// The one idea is that inclusion is believed only from the chain's state, and
// impossibility only from the chain's rules. A reply to a broadcast is neither. So
// a message is never in two transactions that can both be included, and never
// thought lost while one still can.
//
// Transactions are unordered: instead of a sequence number each has a timeout
// timestamp that its signer uses once (x/auth/ante: SigVerificationDecorator).
// One that is stuck does not hold up the next. The timestamp is measured from the
// newest block's time, which is what the chain compares it with, and not from the
// clock of this machine. Where the chain refuses that, a signer goes over to
// sequence numbers: none of its transactions outlives one before it, and a number is
// given again only when it was not used and cannot be any more.
//
// A transaction has no more gas and bytes than fit into a block, as the chain says
// and as refusals teach, and ends some blocks before its deadline where there is
// time, so that another can follow which pays more.
//
// Which block has a transaction is asked last and within a small budget. It serves
// the records, and tells early of one that was included without effect; that a
// message is in force, and that an attempt is over, is found out without it.
//
// What a message means and when it is due is the submitter's caller's to know.
package tx
