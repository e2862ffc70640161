// Package backend has relays answered by the service that stands behind the
// relay miner. It knows how the request inside a relay becomes a request to the
// service, and how the answer becomes the payload of a relay response. Sessions
// and signatures are the proxy's.
//
// The one idea: what the caller asked for reaches the service unchanged, and
// what the service answered reaches the caller unchanged. Method, path, query,
// headers and body are passed on byte for byte; redirects, error statuses and
// compressed bodies are answers, not instructions.
//
// The exceptions are what keeps caller and service apart:
//
//   - A request stays below the path of the configured URL. Dot segments that
//     would leave it are refused, however they are written.
//   - Headers that concern one connection only are dropped on both sides, and so
//     are Pocket-* headers of the caller, which only the relay miner may set.
//   - The operator's credentials and headers replace the caller's. Methods that
//     would show them to the caller or open a tunnel are refused.
//   - Bytes that HTTP does not allow in a path or query are percent-encoded, and
//     header values of the service that are not UTF-8 are read as ISO 8859-1,
//     since a relay could not carry them otherwise.
//   - No error tells the caller where the service is; see PrivateError.
package backend
