// Package faultnode stands between a relay miner and its node and makes what can
// go wrong between the two go wrong, on demand: answers that never come or come
// late, calls that arrive twice or in another order, transactions that are taken
// and forgotten, refusals of every kind, event streams that fall silent, a node
// that lags, freezes or refuses connections.
//
// A Proxy has the two addresses of a node, CometBFT RPC with its websocket and
// gRPC, and hands on to the real one what it is asked. The one idea is that all
// that passes is a Call with one Answer, whatever the protocol: a request over
// HTTP, one over the websocket, a gRPC call, and each event that the node sends.
// A Fault is a function around the handing on, and a Rule says which calls it is
// for: by method, by content, by count and by chance. Rules come and go while the
// proxy runs; where several are for the same call the earlier ones are outside.
// Below the calls each address has a Door, which can be refused, frozen and cut
// as a whole, as a network or an operating system does it.
//
// What holds:
//
//   - Without rules a client cannot tell the proxy from the node, except that
//     only unary gRPC calls pass.
//   - Chance comes from a seed: the same calls in the same order meet the same
//     faults.
//   - Nothing needs to sleep: rules and methods count what they met, and both can
//     be awaited.
//   - A node that cannot be reached looks as it would behind any proxy:
//     connections to the RPC break, gRPC calls are unavailable.
//   - Close breaks all connections and returns when every goroutine has ended.
//
// What is said of heights follows the node (CometBFT: rpc/core; cosmos-sdk:
// baseapp). The package knows nothing of sessions, claims and proofs, and does not
// stop the node itself.
package faultnode
