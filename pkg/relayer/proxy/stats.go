package proxy

// Stats are counts of all listeners since the start, and what is open now.
type Stats struct {
	// Served is how many relays were answered with a signed response.
	Served uint64
	// ConnectionsRefused is how many connections were one too many.
	ConnectionsRefused uint64
	// Connections is how many connections are open, InFlight how many relays are
	// being answered, and BodyBytes how many bytes of them are held.
	Connections, InFlight int
	BodyBytes             int64
}

// Stats returns the counts of the proxy's own servers.
func (p *relayerProxy) Stats() Stats {
	var s Stats
	for _, server := range p.servers {
		own, ok := server.(*httpServer)
		if !ok {
			continue
		}
		s.Served += own.served.Load()
		s.ConnectionsRefused += own.connections.refused.Load()
		s.Connections += own.connections.number()
		s.InFlight += own.flights.number()
		s.BodyBytes = own.ration.used.Load() // of all servers together
	}
	return s
}
