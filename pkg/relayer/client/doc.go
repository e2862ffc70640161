// Package client is the other side of the relay miner: it builds relay requests,
// signs them as an application or as a gateway, sends them over HTTP and checks
// the replies. It is what `relayminer relay` and the demo of `localnet` send with.
//
// The request is what gateways send: the body of a POST is a marshalled
// RelayRequest whose payload is a POKTHTTPRequest, and the reply a marshalled
// RelayResponse, in which either the supplier's signature or a RelayMinerError
// is to be found.
package client
