package backend

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// dialTimeout bounds how long a connection to a service may take to be made.
	// Everything else is bounded by the context of the request.
	dialTimeout = 5 * time.Second
	// slotPoll is how often whoever waits for a connection closes those that no one
	// uses.
	slotPoll = 50 * time.Millisecond
)

// dialer makes connections to services, so many at most.
type dialer struct {
	net.Dialer
	transport *http.Transport
	slots     chan struct{} // has a value for each that is open; nil without a bound
}

// newDialer returns a dialer for at most so many connections; 0 is without a bound.
func newDialer(transport *http.Transport, most int) *dialer {
	d := &dialer{Dialer: net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}, transport: transport}
	if most > 0 {
		d.slots = make(chan struct{}, most)
	}
	return d
}

// dial makes a connection, if need be when another has ended.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.slots == nil {
		return d.DialContext(ctx, network, address)
	}
	if err := d.wait(ctx); err != nil {
		return nil, err
	}
	release := sync.OnceFunc(func() { <-d.slots })
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		release()
		return nil, err
	}
	return &slotConn{Conn: conn, release: release}, nil
}

// wait takes a slot, at the cost of connections that are kept for later.
func (d *dialer) wait(ctx context.Context) error {
	select {
	case d.slots <- struct{}{}:
		return nil
	default:
	}
	tick := time.NewTicker(slotPoll)
	defer tick.Stop()
	for {
		d.transport.CloseIdleConnections()
		select {
		case d.slots <- struct{}{}:
			return nil
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("all %d connections to services are in use: %w", cap(d.slots), context.Cause(ctx))
		}
	}
}

// slotConn gives its slot back when it is closed.
type slotConn struct {
	net.Conn
	release func()
}

// Close closes the connection.
func (c *slotConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
