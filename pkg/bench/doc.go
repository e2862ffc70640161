// Package bench measures a relay miner.
//
// The load generator and the service that answers relays run in a child process
// (ServeLoad there, Loader here), so that what the operating system counts for this
// process is the relay miner's cost alone. Both speak a bare HTTP/1.1 that costs
// little, since they share the machine with what they measure. The requests are signed
// before a run, and each is sent once.
//
// A run is a closed loop, in which each connection sends its next relay when it
// has the last reply, or an open one with a fixed schedule: there a latency counts
// from the moment at which the relay was due, so that waiting for a connection
// that is late is not hidden. If a connection waits and it is the load generator that
// wakes up late, that is told apart.
//
// Two implementations of one thing are compared by Contest, in short turns, so
// that what else the machine does meets both alike. Medians are compared.
package bench
