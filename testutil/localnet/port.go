package localnet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const loopback = "127.0.0.1"

// Ports are taken from below the range from which Linux serves outgoing
// connections: a client that dials a port there while its server is down can
// end up connected to itself and keep the server from coming back.
const (
	firstPort = 20_000
	lastPort  = 31_999
)

// ports hands out loopback addresses that nobody listens on, each once.
type ports struct{ taken map[int]bool }

func newPorts() *ports { return &ports{taken: make(map[int]bool)} }

// listen binds addr, or a free port when addr is empty.
func (p *ports) listen(addr string) (net.Listener, error) {
	if addr != "" {
		return net.Listen("tcp", addr)
	}
	var lastErr error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if p.taken[port] {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil {
			lastErr = err
			continue
		}
		p.taken[port] = true
		return listener, nil
	}
	return nil, fmt.Errorf("find a free port on %s: %w", loopback, lastErr)
}

// free returns an address for somebody else to bind.
func (p *ports) free() (string, error) {
	listener, err := p.listen("")
	if err != nil {
		return "", err
	}
	addr := listener.Addr().String()
	return addr, listener.Close()
}
