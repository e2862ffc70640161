// Package meter knows how much the application of a session can still pay a
// supplier, so that relays are not served for nothing.
//
// The one idea: settlement pays a claim up to a limit that can be computed
// before (x/tokenomics: the floor of a session's budget), and a limit in upokt is
// a limit in compute units. So each session and supplier has an account with a
// capacity in compute units, and metering a relay is an addition:
//
//	budget     = min(stake / pending sessions, per-session spend limit)
//	share      = budget / suppliers
//	settlement = share / (1 + global inflation per claim)
//	capacity   = most compute units whose claim is not worth more than settlement
//
// Pending sessions are those that can await settlement at once by the parameters
// at the session's end; compute units are priced by those at its start. Divisions
// round down, in this order, as the chain's do.
//
// Every served relay counts in full, whether or not its hash meets the
// difficulty: settlement multiplies the claimed compute units by the difficulty,
// which on average gives back those that were served.
//
// What the limit is made of is not all known while a session is open:
//
//   - Stake and spend limit are those of the block of settlement. They are asked
//     for with every block. Settlements before that one lower the stake; what this
//     relay miner itself has served in earlier sessions of the application is
//     taken off in advance, until they are or should have been settled. The
//     claims of other suppliers are not known.
//   - Settlement divides by the suppliers that claim. The meter divides by those
//     in the session, which is as many or more: a supplier is paid its share
//     whatever the others do. When others leave part of the budget unused more
//     can be paid in the end, which the meter does not count on.
//
// Invariants:
//
//   - The reserved and served compute units of an account do not pass its
//     capacity by a reservation, however many are made at once. They can pass it
//     when the capacity falls.
//   - What the chain could not be asked is not taken for zero: the last answer
//     holds, and where there is none the relay is refused with ErrInternal.
//   - No lock is held across a query. Relays that need the same account wait for
//     one and the same lookup, which does not belong to any of them.
//   - A relay waits for the chain only if its session was not prepared: applications
//     with accounts are looked up by block, and Prepare opens those of a session
//     when it begins.
//   - An account lasts until its session is settled. There are maxAccounts at
//     most; at the bound relays that need another are refused with ErrRequestLimit.
//
// After a restart an account begins with what is stored of its session, and those
// of unsettled sessions are opened before others of their application, or with the
// next block if the chain could not be asked. Relays that did not meet the difficulty
// are not stored, so that the sum is multiplied by the difficulty, as settlement does
// it.
//
// Transports, and what becomes of relays, are left to others.
package meter
