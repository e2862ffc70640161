package config

import (
	"gopkg.in/yaml.v3"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// root takes over the whole file. The functions of this file are the list of
// all keys, in the order in which the official relay miner documents them.
func (p *parser) root(n *yaml.Node, c *Config) {
	p.mapping("", n, []key{
		{"default_signing_key_names", p.names(&c.DefaultSigningKeyNames)},
		{"default_request_timeout_seconds", p.seconds(&c.DefaultRequestTimeout)},
		{"default_max_body_size", p.size(&c.DefaultMaxBodySize)},
		{"metrics", p.endpoint(&c.Metrics)},
		{"pocket_node", p.pocketNode(&c.PocketNode)},
		{"pprof", p.endpoint(&c.Pprof)},
		{"smt_store_path", p.text(&c.SMTStorePath)},
		{"disable_smt_persistence", p.without("evidence is always kept on disk", p.flag(&c.DisableSMTPersistence))},
		{"suppliers", p.services(&c.Services)},
		{"ping", p.endpoint(&c.Ping)},
		{"enable_over_servicing", p.flag(&c.EnableOverServicing)},
		{"enable_eager_relay_request_validation", p.without("every request is verified before it is served",
			p.flag(&c.EnableEagerRelayRequestValidation))},
		{"served_relays_buffer_size", p.without("served relays are not dropped when a buffer is full",
			p.count(&c.ServedRelaysBufferSize))},
		{"mining_pipeline_buffer_size", p.without("served relays are not dropped when a buffer is full",
			p.count(&c.MiningPipelineBufferSize))},
		{"mining_workers", p.without("hashing needs no workers of its own", p.count(&c.MiningWorkers))},

		{"max_connections", p.connections(&c.MaxConnections)},
		{"accept_placeholder_rings", p.flag(&c.AcceptPlaceholderRings)},
		{"durability", p.durability(&c.Durability)},
		{"durability_interval", p.duration(&c.DurabilityInterval)},
		{"records_dir", p.text(&c.RecordsDir)},
		{"keep", p.keep(&c.Keep)},
		{"provers", p.provers(&c.Provers)},
	})
}

func (p *parser) provers(provers *[]*Prover) setter {
	return func(path string, n *yaml.Node) {
		for _, item := range p.items(path, n) {
			prover := &Prover{}
			p.mapping(item.path, item.value, []key{
				{"url", p.proverURL(&prover.URL)},
				{"token", p.secret(&prover.Token)},
			})
			p.require(item.path+".url", "name the prover's URL, such as https://prover-1:8443")
			*provers = append(*provers, prover)
		}
	}
}

func (p *parser) keep(keep *Keep) setter {
	return func(path string, n *yaml.Node) {
		p.mapping(path, n, []key{
			{"relays", p.blocks(&keep.Relays)},
			{"unpaid_relays", p.blocks(&keep.UnpaidRelays)},
			{"records", p.blocks(&keep.Records)},
		})
	}
}

// endpoint takes over metrics, pprof and ping.
func (p *parser) endpoint(e *Endpoint) setter {
	return func(path string, n *yaml.Node) {
		p.mapping(path, n, []key{
			{"enabled", p.flag(&e.Enabled)},
			{"addr", p.addr(&e.Addr)},
		})
	}
}

func (p *parser) pocketNode(node *PocketNode) setter {
	return func(path string, n *yaml.Node) {
		p.mapping(path, n, []key{
			{"query_node_rpc_url", p.nodeURLs(&node.QueryNodeRPCURLs)},
			{"query_node_grpc_url", p.nodeURLs(&node.QueryNodeGRPCURLs)},
			{"tx_node_rpc_url", p.nodeURLs(&node.TxNodeRPCURLs)},
		})
	}
}

func (p *parser) services(services *[]*Service) setter {
	return func(path string, n *yaml.Node) {
		for _, item := range p.items(path, n) {
			s := &Service{}
			p.service(s)(item.path, item.value)
			*services = append(*services, s)
		}
	}
}

func (p *parser) service(s *Service) setter {
	return func(path string, n *yaml.Node) {
		p.mapping(path, n, []key{
			{"service_id", p.text(&s.ID)},
			{"listen_url", p.listenURL(s)},
			{"tls", p.tls(&s.TLS)},
			{"signing_key_names", p.names(&s.SigningKeyNames)},
			{"request_timeout_seconds", p.seconds(&s.RequestTimeout)},
			{"max_body_size", p.size(&s.MaxBodySize)},
			{"max_response_size", p.size(&s.MaxResponseSize)},
			{"max_inflated_size", p.size(&s.MaxInflatedSize)},
			{"x_forwarded_host_lookup", p.without("the official relay miner does not use it either", p.flag(&s.XForwardedHostLookup))},
			{"service_config", p.backend(&s.DefaultBackend)},
			{"rpc_type_service_configs", p.backends(&s.Backends)},
		})
	}
}

// tls takes over the certificate of a listener.
func (p *parser) tls(dst **TLS) setter {
	return func(path string, n *yaml.Node) {
		*dst = &TLS{}
		p.mapping(path, n, []key{
			{"cert_file", p.text(&(*dst).CertFile)},
			{"key_file", p.text(&(*dst).KeyFile)},
		})
	}
}

// backends takes over rpc_type_service_configs. The RPC types may be in upper
// case too, as in the official relay miner.
func (p *parser) backends(byType *map[sharedtypes.RPCType]*Backend) setter {
	return func(path string, n *yaml.Node) {
		*byType = make(map[sharedtypes.RPCType]*Backend)
		for _, e := range p.entries(path, n) {
			rpcType, err := sharedtypes.GetRPCTypeFromConfig(e.name)
			if err != nil {
				p.problem(e.path, "use json_rpc, rest, comet_bft, websocket or grpc", "there is no such RPC type")
				continue
			}
			if _, twice := (*byType)[rpcType]; twice {
				p.problem(e.path, "remove one of them", "is here twice, in upper and in lower case")
				continue
			}
			b := &Backend{}
			if !absent(e.value) {
				p.backend(&b)(e.path, e.value)
			}
			p.checkBackend(e.path, b)
			p.checkTransport(e.path, rpcType, b)
			(*byType)[rpcType] = b
		}
	}
}

// backend takes over service_config, and one of rpc_type_service_configs.
func (p *parser) backend(backend **Backend) setter {
	return func(path string, n *yaml.Node) {
		b := &Backend{}
		*backend = b
		var auth Authentication
		p.mapping(path, n, []key{
			{"backend_url", p.backendURL(b)},
			{"authentication", func(path string, n *yaml.Node) {
				p.mapping(path, n, []key{
					{"username", p.text(&auth.Username)},
					{"password", p.secret(&auth.Password)},
				})
			}},
			{"headers", p.headers(&b.Headers)},
			{"forward_pocket_headers", p.flag(&b.ForwardPocketHeaders)},
		})
		if auth != (Authentication{}) {
			b.Authentication = &auth
		}
	}
}
