package auth

import (
	"context"
	"net/netip"
)

// The networks that count as one caller: what a provider gives to one customer
// is at least as large.
const (
	callerBits4 = 24
	callerBits6 = 48
)

// callerKey is the key of a context's caller.
type callerKey struct{}

// WithCaller returns a context that says from which address a request came. What
// strangers may have the chain asked is limited per network of callers: /24 of
// IPv4 and /48 of IPv6. Requests without a caller share one limit.
func WithCaller(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, callerKey{}, NetworkOf(address))
}

// callerOf returns the caller's network, the zero value if there is none.
func callerOf(ctx context.Context) netip.Prefix {
	network, _ := ctx.Value(callerKey{}).(netip.Prefix)
	return network
}

// NetworkOf returns the network that an address counts to: /24 of IPv4 and /48 of
// IPv6. It is the zero value for one that is not valid.
func NetworkOf(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := callerBits6
	if address.Is4() {
		bits = callerBits4
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
