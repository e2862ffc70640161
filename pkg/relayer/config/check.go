package config

import (
	"fmt"
	"strings"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// check looks at what concerns several keys: what is missing, what contradicts
// and what is dangerous.
func (p *parser) check(c *Config) {
	p.require("smt_store_path", "name the directory for the evidence of relays, such as /var/lib/relayminer")
	p.require("pocket_node.query_node_grpc_url", "name the node's gRPC endpoint, such as tcp://127.0.0.1:9090")
	p.require("pocket_node.tx_node_rpc_url", "name the node's CometBFT endpoint, such as tcp://127.0.0.1:26657")
	p.require("suppliers", "list the services that you offer")
	p.checkStore(c)
	ids := make(map[string]string) // service id -> path
	for i, s := range c.Services {
		p.checkService(fmt.Sprintf("suppliers[%d]", i), s, ids)
	}
	p.checkKeep(&c.Keep)
	p.checkEndpoints(c)
	p.checkListeners(c)
	p.checkSharedTLS(c)
	if c.AcceptPlaceholderRings {
		p.warn("accept_placeholder_rings", "", "anybody can have relays served at the cost of an application without gateways, and they cannot be proven once it has one")
	}
	if c.EnableOverServicing {
		p.warn("enable_over_servicing", "", "relays beyond what an application can pay for are served for nothing")
	}
}

// require reports a key that has no value, unless a mistake that is reported
// already is the likely reason.
func (p *parser) require(path, fix string) {
	if p.given[path] {
		return
	}
	for around := path; ; around = parent(around) {
		if p.broken[around] {
			return
		}
		if around == "" {
			break
		}
	}
	p.problem(path, fix, "is required")
}

func (p *parser) checkStore(c *Config) {
	switch c.SMTStorePath {
	case storeInMemory, storeInMemoryPebble:
		p.warn("smt_store_path", "name a directory",
			"%s is no longer kept in memory; the directory is $HOME/.pocket/smt", quote(c.SMTStorePath))
	}
	switch {
	case c.Durability == SyncAtIntervals:
		p.warn("durability", "", "a power failure can cost the relays of the last %s", c.DurabilityInterval)
	case p.given["durability_interval"]:
		p.warn("durability_interval", "write durability: interval, or remove the key",
			"has no effect: relays are synced before each reply")
	}
	if c.DurabilityInterval > time.Second {
		p.warn("durability_interval", "write a shorter one, such as 10ms",
			"is long: it is the time whose relays a power failure can cost")
	}
}

// checkKeep makes sure that no record would have to go before its relays. Relays
// of which the file does not say how long they are kept are not kept longer than
// records.
func (p *parser) checkKeep(keep *Keep) {
	if keep.Records == 0 {
		return
	}
	for key, blocks := range map[string]*uint64{"keep.relays": &keep.Relays, "keep.unpaid_relays": &keep.UnpaidRelays} {
		switch {
		case !p.given[key]:
			*blocks = min(*blocks, keep.Records)
		case *blocks == 0 || *blocks > keep.Records:
			p.problem(key, "keep records as long or longer, or for ever with records: 0",
				"relays cannot be kept longer than records, which are kept for %d blocks", keep.Records)
		}
	}
}

// checkService checks one service. The ids of the services before it are in ids.
func (p *parser) checkService(path string, s *Service, ids map[string]string) {
	p.require(path+".service_id", "name the service's id on chain")
	p.require(path+".listen_url", "name the address to listen on, such as http://0.0.0.0:8080")
	switch other, twice := ids[s.ID]; {
	case s.ID == "":
	case twice:
		p.problem(path+".service_id", "give it one entry, and list several keys in its signing_key_names",
			"%s has an entry already, %s on line %d", quote(s.ID), other, p.line(other+".service_id"))
	default:
		ids[s.ID] = path
		if sharedtypes.IsValidServiceId(s.ID) != nil {
			p.warn(path+".service_id", "check its spelling", "%s is not an id that a service can have on chain", quote(s.ID))
		}
	}
	p.checkTLS(path, s)
	if !p.given["default_signing_key_names"] {
		p.require(path+".signing_key_names", "list the names of the suppliers' keys, or give default_signing_key_names")
	}
	if s.DefaultBackend == nil {
		s.DefaultBackend = &Backend{}
	}
	p.checkBackend(path+".service_config", s.DefaultBackend)
}

// checkTLS makes sure that a listener over TLS has a certificate, and no other.
func (p *parser) checkTLS(path string, s *Service) {
	if s.overTLS {
		p.require(path+".tls.cert_file", "name the PEM file of the certificate, with its chain")
		p.require(path+".tls.key_file", "name the PEM file of the certificate's private key")
		return
	}
	if s.TLS != nil && s.ListenAddr != "" {
		p.problem(path+".tls", "write https:// in listen_url, or remove tls", "has no effect on a listener without TLS")
	}
}

// checkSharedTLS makes sure that the services of a listener agree on its TLS.
func (p *parser) checkSharedTLS(c *Config) {
	first := make(map[string]int) // listen address to index of service
	for i, s := range c.Services {
		j, shared := first[s.ListenAddr]
		if !shared {
			first[s.ListenAddr] = i
			continue
		}
		other := c.Services[j]
		if s.ListenAddr == "" || s.overTLS == other.overTLS && (s.TLS == nil || other.TLS == nil || *s.TLS == *other.TLS) {
			continue
		}
		path := fmt.Sprintf("suppliers[%d].listen_url", i)
		p.problem(path, "write the same scheme and tls in both, or choose another port",
			"shares %s with suppliers[%d] on line %d, whose TLS differs", s.ListenAddr, j, p.line(fmt.Sprintf("suppliers[%d].listen_url", j)))
	}
}

// checkBackend checks the backend at path and settles who its user is.
func (p *parser) checkBackend(path string, b *Backend) {
	p.require(path+".backend_url", "name the service's own endpoint, such as http://127.0.0.1:8545")
	if b.URL != nil && b.URL.User != nil {
		if b.Authentication == nil {
			password, _ := b.URL.User.Password()
			b.Authentication = &Authentication{Username: b.URL.User.Username(), Password: Secret(password)}
		} else {
			p.warn(path+".backend_url", "remove the user from the URL",
				"the user in the URL has no effect beside authentication")
		}
		b.URL.User = nil
	}
	for name := range b.Headers {
		if strings.EqualFold(name, "Authorization") && b.Authentication != nil {
			p.warn(path+".authentication", "remove one of them", "has no effect: the header Authorization replaces it")
		}
	}
}

// checkTransport warns of a backend that cannot be asked in the way that its RPC
// type needs. It costs the relays of that type only, and is no reason to serve
// none of the others.
func (p *parser) checkTransport(path string, rpcType sharedtypes.RPCType, b *Backend) {
	if b.URL == nil {
		return
	}
	webSocket := b.URL.Scheme == "ws" || b.URL.Scheme == "wss"
	switch {
	case rpcType == sharedtypes.RPCType_WEBSOCKET && !webSocket:
		p.warn(path+".backend_url", "write ws:// or wss://", "relays of type websocket need a backend that speaks WebSocket")
	case rpcType != sharedtypes.RPCType_WEBSOCKET && webSocket:
		p.warn(path+".backend_url", "write http:// or https://", "relays of this type need a backend that speaks HTTP")
	}
}

// namedEndpoint is an endpoint and the key that it has.
type namedEndpoint struct {
	key string
	Endpoint
}

func (c *Config) endpoints() []namedEndpoint {
	return []namedEndpoint{
		{"metrics", c.Metrics},
		{"pprof", c.Pprof},
		{"ping", c.Ping},
	}
}

func (p *parser) checkEndpoints(c *Config) {
	for _, e := range c.endpoints() {
		if !e.Enabled {
			continue
		}
		p.require(e.key+".addr", "write the address to listen on, such as 127.0.0.1:9090")
		if e.key == "pprof" && e.Addr != "" && !loopback(e.Addr) {
			p.warn(e.key+".addr", "write 127.0.0.1 as its host unless that is meant",
				"%s can be reached from other machines, without a password", e.Addr)
		}
	}
}

// checkListeners reports addresses that cannot be bound beside each other.
// Services share a listener if they spell its host alike.
func (p *parser) checkListeners(c *Config) {
	type bound struct {
		path, addr string
		relays     bool
	}
	var all []bound
	add := func(b bound) {
		for _, other := range all {
			if !overlap(b.addr, other.addr) {
				continue
			}
			if b.relays && other.relays && b.addr == other.addr {
				return // the listener is there already
			}
			fix := "choose another port"
			if b.relays && other.relays {
				fix = "write the same host in both to share the listener, or choose another port"
			}
			p.problem(b.path, fix, "%s cannot be bound beside %s of %s on line %d",
				b.addr, other.addr, other.path, p.line(other.path))
			return
		}
		all = append(all, b)
	}
	for i, s := range c.Services {
		if s.ListenAddr != "" {
			add(bound{fmt.Sprintf("suppliers[%d].listen_url", i), s.ListenAddr, true})
		}
	}
	for _, e := range c.endpoints() {
		if e.Enabled && e.Addr != "" {
			add(bound{e.key + ".addr", e.Addr, false})
		}
	}
}
