package proxy

import (
	"sync"
	"sync/atomic"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Stats are counts of all listeners since the start, and what is open now.
type Stats struct {
	// Served is how many relays were answered with a signed response.
	Served uint64
	// Refused is how many relays were refused, by reason. There is an entry for
	// each reason that has occurred.
	Refused map[*relayer.Error]uint64
	// ConnectionsRefused is how many connections were one too many.
	ConnectionsRefused uint64
	// Connections is how many connections are open, InFlight how many relays are
	// being answered, and BodyBytes how many bytes of them are held.
	Connections, InFlight int
	BodyBytes             int64
}

// outcomes counts how relays ended. The zero value is ready to use.
type outcomes struct {
	served  atomic.Uint64
	refused sync.Map // *relayer.Error to *atomic.Uint64
}

// count counts a relay that ended with err.
func (o *outcomes) count(err error) {
	if err == nil {
		o.served.Add(1)
		return
	}
	reason := reasonOf(err)
	if reason == nil {
		reason = relayer.ErrInternal
	}
	counter, known := o.refused.Load(reason)
	if !known {
		counter, _ = o.refused.LoadOrStore(reason, &atomic.Uint64{})
	}
	counter.(*atomic.Uint64).Add(1)
}

// addTo adds the counts to s.
func (o *outcomes) addTo(s *Stats) {
	s.Served += o.served.Load()
	o.refused.Range(func(reason, counter any) bool {
		s.Refused[reason.(*relayer.Error)] += counter.(*atomic.Uint64).Load()
		return true
	})
}

// Stats returns the counts of the proxy's own servers.
func (p *relayerProxy) Stats() Stats {
	s := Stats{Refused: make(map[*relayer.Error]uint64)}
	for _, server := range p.servers {
		own, ok := server.(*httpServer)
		if !ok {
			continue
		}
		own.outcomes.addTo(&s)
		s.ConnectionsRefused += own.connections.refused.Load()
		s.Connections += own.connections.number()
		s.InFlight += own.flights.number()
		s.BodyBytes = own.ration.used.Load() // of all servers together
	}
	return s
}
