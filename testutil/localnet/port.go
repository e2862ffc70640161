package localnet

import (
	"errors"
	"net"

	"github.com/seed52205347/relayminer/testutil/loopback"
)

// The ports of networks. Package faultnode takes those below.
const (
	firstPort = 20_000
	lastPort  = 31_999
)

// ports hands out loopback addresses, each of which is the network's until release,
// whether or not somebody listens on it at the moment.
type ports struct{ held []*loopback.Reservation }

func newPorts() *ports { return &ports{} }

// listen binds addr, or a port of the network when addr is empty.
func (p *ports) listen(addr string) (net.Listener, error) {
	if addr != "" {
		return net.Listen("tcp", addr)
	}
	r, err := p.reserve()
	if err != nil {
		return nil, err
	}
	return r.Listen()
}

// free returns an address for somebody else to bind.
func (p *ports) free() (string, error) {
	r, err := p.reserve()
	if err != nil {
		return "", err
	}
	return r.Addr(), nil
}

func (p *ports) reserve() (*loopback.Reservation, error) {
	r, err := loopback.Reserve(firstPort, lastPort)
	if err == nil {
		p.held = append(p.held, r)
	}
	return r, err
}

// release gives the addresses up.
func (p *ports) release() error {
	var errs []error
	for _, r := range p.held {
		errs = append(errs, r.Release())
	}
	p.held = nil
	return errors.Join(errs...)
}
