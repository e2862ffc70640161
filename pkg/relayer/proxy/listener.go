package proxy

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer/auth"
)

// refusedConnection is what a caller is told whose connection is one too many.
const refusedConnection = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// reportingListener tells the operator of connections that could not be
// accepted, which is mostly for want of file descriptors. net/http tries again,
// at growing intervals of up to a second.
type reportingListener struct {
	net.Listener
	log *slog.Logger
}

// Accept accepts the next connection.
func (l reportingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		l.log.Warn("connection not accepted", "error", err)
	}
	return conn, err
}

// connections bounds the connections that are open: all of them, and those of one
// network of callers to half of that, so that no network can keep all others out.
// Likewise it bounds the relays that are being answered, of which one connection of
// HTTP/2 can carry hundreds.
type connections struct {
	most    int
	refused atomic.Uint64

	mu       sync.Mutex
	open     int
	networks map[netip.Prefix]int // no entry is 0, so that there are most at most
}

func newConnections(most int) *connections {
	return &connections{most: most, networks: make(map[netip.Prefix]int)}
}

// enter counts a connection of the network. It is false at the bound.
func (c *connections) enter(network netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.most || c.networks[network] >= max(1, c.most/2) {
		c.refused.Add(1)
		return false
	}
	c.open++
	c.networks[network]++
	return true
}

func (c *connections) leave(network netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.networks[network]--; c.networks[network] == 0 {
		delete(c.networks, network)
	}
}

// number returns how many connections are open.
func (c *connections) number() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// boundedListener closes the connections beyond the bound as soon as they are
// there. It calls refused for each.
type boundedListener struct {
	net.Listener
	connections *connections
	plain       bool // the caller can be told in cleartext
	refused     func()
}

// Accept accepts the next connection that is not one too many.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		network := networkOf(conn.RemoteAddr().String())
		if l.connections.enter(network) {
			return &countedConn{Conn: conn, leave: sync.OnceFunc(func() { l.connections.leave(network) })}, nil
		}
		l.refuse(conn)
	}
}

// refuse tells the caller, if that needs no waiting, and closes the connection.
func (l *boundedListener) refuse(conn net.Conn) {
	if l.plain && conn.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		// Whether it arrives is the caller's concern: the connection ends anyway.
		_, _ = conn.Write([]byte(refusedConnection))
	}
	_ = conn.Close()
	l.refused()
}

// networkOf returns the network of callers of an address with a port.
func networkOf(remote string) netip.Prefix { return auth.NetworkOf(callerOf(remote)) }

// callerOf returns the address in remote, which has a port, and the zero value for
// what is none.
func callerOf(remote string) netip.Addr {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr()
}

// countedConn is a connection that is counted until it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
