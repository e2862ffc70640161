package localnet

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// gate is a public address behind which the node's servers come and go. The
// node stops accepting when it is stopped, but leaves the connections that it
// has to live on over a dead node; clients of a node whose process has ended
// see them break, so the gate breaks them.
type gate struct {
	addr string

	mu       sync.Mutex
	listener net.Listener // nil while closed
	conns    map[net.Conn]struct{}
	wg       sync.WaitGroup // the goroutines of the gate
}

// newGate reserves the address of listener. Connections wait until open.
func newGate(listener net.Listener) *gate {
	return &gate{addr: listener.Addr().String(), listener: listener, conns: make(map[net.Conn]struct{})}
}

// open forwards connections to target until close.
func (g *gate) open(target string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		listener, err := net.Listen("tcp", g.addr)
		if err != nil {
			return fmt.Errorf("listen on %s again: %w", g.addr, err)
		}
		g.listener = listener
	}
	listener := g.listener
	g.wg.Go(func() { g.accept(listener, target) })
	return nil
}

// close refuses new connections, breaks those that exist and returns when all
// goroutines of the gate have ended.
func (g *gate) close() {
	g.mu.Lock()
	if g.listener != nil {
		g.listener.Close()
		g.listener = nil
	}
	for conn := range g.conns {
		conn.Close()
	}
	g.mu.Unlock()
	g.wg.Wait()
}

// accept ends when listener is closed.
func (g *gate) accept(listener net.Listener, target string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		if !g.track(listener, client) {
			return
		}
		g.wg.Go(func() { g.forward(listener, client, target) })
	}
}

// track registers conn to be broken by close. It closes conn and returns false
// when that has already happened.
func (g *gate) track(listener net.Listener, conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != listener {
		conn.Close()
		return false
	}
	g.conns[conn] = struct{}{}
	return true
}

func (g *gate) drop(conn net.Conn) {
	conn.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, conn)
}

// forward copies in both directions until either ends. How a copy ended says
// nothing that the two sides do not see for themselves.
func (g *gate) forward(listener net.Listener, client net.Conn, target string) {
	defer g.drop(client)
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	if !g.track(listener, server) {
		return
	}
	defer g.drop(server)
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(server, client)
		server.Close()
		client.Close()
	})
	io.Copy(client, server)
	server.Close()
	client.Close()
	wg.Wait()
}
