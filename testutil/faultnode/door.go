package faultnode

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/seed52205347/relayminer/testutil/loopback"
)

// Door is an address at which clients find the node. What is done to it happens
// below all rules, to every connection at once.
type Door struct {
	addr     string
	port     *loopback.Reservation // keeps addr while the door refuses
	accepted chan net.Conn         // connections for the server; never closed
	over     chan struct{}         // closed by shut
	wg       sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	conns    map[*conn]struct{}
	thawed   chan struct{} // closed by Thaw; nil while not frozen
	closed   bool
}

// The ports of doors. Those from 20,000 on are left to the chains of tests, of which
// there are more.
const (
	firstPort = 10_000
	lastPort  = 19_999
)

// newDoor returns an open door at a port of loopback.
func newDoor() (*Door, error) {
	port, err := loopback.Reserve(firstPort, lastPort)
	if err != nil {
		return nil, err
	}
	d := &Door{
		addr:     port.Addr(),
		port:     port,
		accepted: make(chan net.Conn),
		over:     make(chan struct{}),
		conns:    make(map[*conn]struct{}),
	}
	if err := d.Admit(); err != nil {
		return nil, errors.Join(err, port.Release())
	}
	return d, nil
}

// Admit lets connections in again after Refuse. It does nothing otherwise. The
// error wraps ErrClosed, or says why the address cannot be listened at.
func (d *Door) Admit() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("listen on %s: %w", d.addr, ErrClosed)
	}
	if d.listener != nil {
		return nil
	}
	listener, err := d.port.Listen()
	if err != nil {
		return fmt.Errorf("listen on %s: %w", d.addr, err)
	}
	d.listener = listener
	d.wg.Go(func() { d.accept(listener) })
	return nil
}

// Refuse breaks all connections and refuses new ones, as when the node's process
// has ended, until Admit.
func (d *Door) Refuse() {
	d.mu.Lock()
	if d.listener != nil {
		// A listener that cannot be closed does not listen either.
		_ = d.listener.Close()
		d.listener = nil
	}
	d.mu.Unlock()
	d.Cut()
}

// Cut breaks all connections. New ones are let in.
func (d *Door) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.release()
	}
}

// Freeze stops all traffic, as when the node's process is halted: connections
// stand, new ones are made, and nothing is read or written until Thaw.
func (d *Door) Freeze() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.thawed == nil {
		d.thawed = make(chan struct{})
	}
}

// Thaw ends what Freeze began. What was held back goes its way.
func (d *Door) Thaw() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.thawed != nil {
		close(d.thawed)
		d.thawed = nil
	}
}

// shut closes the door for good, gives its address up and returns when it accepts
// no more.
func (d *Door) shut() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	close(d.over)
	d.Refuse()
	d.Thaw()
	d.wg.Wait()
	if err := d.port.Release(); err != nil {
		return fmt.Errorf("give up %s: %w", d.addr, err)
	}
	return nil
}

// accept ends when the listener is closed.
func (d *Door) accept(listener net.Listener) {
	for {
		accepted, err := listener.Accept()
		if err != nil {
			return
		}
		c := &conn{Conn: accepted, door: d, done: make(chan struct{})}
		if !d.track(listener, c) {
			continue
		}
		select {
		case d.accepted <- c:
		case <-d.over:
			c.release()
		}
	}
}

// track registers a connection to be broken. It closes it and returns false when
// the door has been closed meanwhile.
func (d *Door) track(listener net.Listener, c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != listener {
		c.release()
		return false
	}
	d.conns[c] = struct{}{}
	return true
}

// frozen returns what is closed at the thaw, nil while the door is not frozen.
func (d *Door) frozen() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.thawed
}

// conn is a client's connection.
type conn struct {
	net.Conn
	door *Door
	once sync.Once
	done chan struct{} // closed by release
}

// pass returns when the door is not frozen, or that the connection is broken.
func (c *conn) pass() error {
	for thawed := c.door.frozen(); thawed != nil; thawed = c.door.frozen() {
		select {
		case <-thawed:
		case <-c.done:
			return net.ErrClosed
		}
	}
	return nil
}

// Read implements net.Conn. What arrives in the frost is held back.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.pass(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if passErr := c.pass(); passErr != nil {
		return 0, passErr
	}
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.pass(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.release()
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	delete(c.door.conns, c)
	return nil
}

// release breaks the connection and ends what waits for it.
func (c *conn) release() {
	c.once.Do(func() {
		close(c.done)
		// Whatever the error, the connection is of no use any more.
		_ = c.Conn.Close()
	})
}

// doorListener is what a server sees of a door: it does not notice when
// connections are refused.
type doorListener struct{ door *Door }

// Accept implements net.Listener.
func (l doorListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.door.accepted:
		return c, nil
	case <-l.door.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. The door is closed by its owner.
func (l doorListener) Close() error { return nil }

// Addr implements net.Listener.
func (l doorListener) Addr() net.Addr {
	// The address was listened at, so it can be parsed.
	addr, _ := net.ResolveTCPAddr("tcp", l.door.addr)
	return addr
}
