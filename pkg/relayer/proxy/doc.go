// Package proxy is the relay miner's front: it listens for relay requests and
// takes each through one pipeline, whatever the transport:
//
//	authenticate → can it be mined and stored? → can the application pay? → backend → sign → publish → stored → reply
//
// Nothing reaches a backend or a signature that is not authenticated first, and
// no reply leaves before the relay's evidence is safe. What is published is
// exactly what is sent. A relay that is refused at any step is answered with a
// RelayResponse that carries a RelayMinerError instead of a signature, with HTTP
// status 200, since that is what gateways read; with 429 if the application can
// not pay, and with 503 where there is too much to do, so that they go elsewhere. An
// answer with which the service says that it failed (status 500 and above) is signed
// and returned, but not published: a supplier is not paid for it. Nor is that of a
// relay which is served though the application can not pay for it, where
// over-servicing is enabled.
//
// What strangers can make the proxy spend is bounded:
//
//   - Connections have a bound, and half of it for one network of callers; one
//     more is closed at once. So many relays are answered at a time, also where
//     HTTP/2 carries many on a connection; one more is refused at once. Headers have
//     a bound in bytes and time.
//   - A request's body has the size limit of its service, and before its service
//     is known the largest of its listener; it must arrive at a least rate. Memory
//     is taken as bytes arrive, and all bodies of requests and answers together
//     have a bound at which relays are refused. Nothing is decompressed but to be
//     measured.
//   - A service's timeout runs from the arrival of the headers to the backend's
//     answer; storing the relay and writing the reply have bounds of their own.
//   - A refusal is short, whatever the request was, and says nothing about the
//     relay miner's inside. The log has the cause.
//   - A panic costs its own relay only.
//
// A caller may leave at any time. As long as the service has not answered that ends
// the relay, which is not mined. A relay that was given to the store stays there
// whether or not its reply arrives: it was answered and signed.
//
// The package knows listeners and transports. Who may ask is decided by a
// relayer.RelayAuthenticator, where requests go by package backend, and what
// becomes of served relays by whoever observes ServedRelays.
package proxy
