// Package auth knows who may ask and who may answer: it verifies relay requests
// and signs relay responses.
//
// A request is checked in the order of what a check costs, so that a stranger's
// request is refused before it can cause work: its structure, the supplier and
// service it names, its heights, its session as the chain has it, the members of
// its ring, and last the ring signature.
//
// Sessions come from a table, which is filled ahead when a session begins. What
// it does not have is asked of the chain: once for all who wait, and limited per
// network of callers and per application. That a session does not exist is
// believed until the next block; that the chain could not be asked is not
// remembered at all. As many signatures are verified at a time as there are cores,
// a few wait, and the rest is refused at once rather than late. Every table has a
// bound, at which it forgets what was not used for longest.
//
// The ring rule is the chain's (x/proof, ring verification): every key in the
// signature must belong to the session's application or to a gateway that the
// application delegates to or has stopped delegating to within this session.
// It is narrowed in two points. The chain also accepts the placeholder key for
// applications without gateways, whose private half is public, so that anybody
// could sign for such an application; it is refused here, unless configured
// otherwise. And a ring has no more members than an honest signer would give it,
// since each is work to verify.
//
// Transports are left to the proxy, budgets to the meter.
package auth
