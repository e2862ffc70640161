package chain

// ServerStatus is what is known of one configured address.
type ServerStatus struct {
	// Kind is what the address is for: "query grpc", "query rpc" or "tx rpc".
	Kind string
	// Endpoint is the address without its password.
	Endpoint string
	// InUse says that calls of the kind go to it now.
	InUse bool
	// Usable says that it answers, is on the right chain and does not lag.
	Usable bool
	// Height is the highest that it has named, 0 if none. The only address of a kind
	// is not looked at, and has none.
	Height int64
	// Err is why it is not usable, nil if it is or if it only lags.
	Err error
}

// Servers returns what is known of all configured addresses, in their order. An
// address that is configured for queries and transactions alike is there once if
// the connection is shared.
func (n *Node) Servers() []ServerStatus {
	var all []ServerStatus
	for _, p := range n.pools() {
		all = append(all, p.status()...)
	}
	return all
}

// SeenHeight returns the highest height that any of the addresses has named.
func (n *Node) SeenHeight() int64 { return n.seen.Load() }

func (p *pool) status() []ServerStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]ServerStatus, 0, len(p.servers))
	for i, s := range p.servers {
		status := ServerStatus{Kind: p.kind, Endpoint: s.name, InUse: i == p.present, Usable: s.rank() == well, Err: s.err}
		if p.several() {
			status.Height = s.height
		}
		all = append(all, status)
	}
	return all
}
