// Package admin lets the operator look at the sessions of a relay miner that is
// running, whose store no other process can open, see how it does, and hold or
// hasten its work. It knows HTTP and a unix
// socket; what a session is and what may be done to it is package session's
// knowledge.
//
// # The idea
//
// What a command can ask is one interface, Sessions. A session.Inspector answers
// it from a store; a Client answers it by asking a Server, which asks its
// inspector. So a command is written once and works on a store at rest and on a
// running relay miner alike. Errors keep their meaning on the way: the client's
// wrap what the server's wrapped, with the same text.
//
//	GET    /v1/store                                which store is served
//	GET    /v1/sessions?state=&supplier=            session.Summary, as a JSON array
//	GET    /v1/sessions/{id}?supplier=              session.Details
//	GET    /v1/ledger?state=&supplier=              session.Ledger
//	DELETE /v1/sessions/{id}?supplier=&force=       session.Summary of what was dropped
//	GET    /v1/sessions/{id}/proof?supplier=&path=  session.Proof
//	GET    /v1/sessions/{id}/file?supplier=         a session file
//	POST   /v1/verifications?id=&supplier=&all=&deep=
//	       session.Event, one JSON object on a line, and {"done":true} at the end
//	GET    /v1/status                               Status
//	POST   /v1/pause?reason=, /v1/resume, /v1/flush an empty object; see Controller
//	{"error":{"code":"…","message":"…"}}            instead, or as the last line
//
// # Invariants
//
//   - Whoever can open the socket can drop sessions, so it has mode 0600 from the
//     moment it can be found.
//   - A client that does not read keeps nothing from going on: every write has a
//     deadline, and nothing of the store is held during it.
//   - The number of requests that are worked on at once is bounded; more wait.
//   - A socket that another process answers is left alone, one that nobody
//     answers is replaced.
package admin
