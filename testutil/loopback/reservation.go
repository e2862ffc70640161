package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	host = "127.0.0.1"
	// attempts is how many ports are tried before Reserve gives up.
	attempts = 200
)

// Reservation is a TCP port of loopback that no other reservation has, and that
// nobody listened on when it was made.
type Reservation struct {
	addr string
	mark net.PacketConn
}

// Reserve chooses a port from first to last, both included. They should be below
// the range from which the system serves outgoing connections (on Linux 32,768 and
// above): a client that dials a port there while nobody listens can end up connected
// to itself. The error is that of the last port that was tried.
func Reserve(first, last int) (*Reservation, error) {
	var err error
	for range attempts {
		addr := net.JoinHostPort(host, strconv.Itoa(first+rand.IntN(last-first+1)))
		var r *Reservation
		if r, err = reserve(addr); err == nil {
			return r, nil
		}
	}
	return nil, fmt.Errorf("find a free port on %s between %d and %d: %w", host, first, last, err)
}

func reserve(addr string) (*Reservation, error) {
	mark, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	r := &Reservation{addr: addr, mark: mark}
	listener, err := r.Listen()
	if err == nil {
		err = listener.Close()
	}
	if err != nil {
		return nil, errors.Join(err, r.Release())
	}
	return r, nil
}

// Addr returns the address, 127.0.0.1:port.
func (r *Reservation) Addr() string { return r.addr }

// Listen listens on the port. It may be called again when the listener is closed.
func (r *Reservation) Listen() (net.Listener, error) { return net.Listen("tcp", r.addr) }

// Release gives the port up to other reservations. A listener on it is not closed.
func (r *Reservation) Release() error { return r.mark.Close() }
