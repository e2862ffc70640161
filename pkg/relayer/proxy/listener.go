package proxy

import (
	"errors"
	"log/slog"
	"net"
)

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
