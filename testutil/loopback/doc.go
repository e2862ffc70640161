// Package loopback reserves TCP ports of loopback for the time between their choice
// and their use.
//
// A test chooses an address that another process is to listen on, or that a server
// leaves and comes back to. To listen on it meanwhile is no way of keeping it, as
// connections would be accepted. So the UDP port of the same number is bound
// instead, which nobody has a use for, and whoever chooses a port through this
// package, in whatever process, leaves alone those whose UDP port is taken.
package loopback
