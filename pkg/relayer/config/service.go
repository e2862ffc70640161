package config

import (
	"log/slog"
	"math"
	"net/url"
	"slices"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// inflation is how much larger a compressed body may grow than one that is not
// compressed may be, unless the file says otherwise.
const inflation = 4

// Service is one service on offer: an entry of suppliers.
type Service struct {
	// ID (service_id) is the service's id on chain, unique in the file.
	ID string
	// ListenAddr (listen_url) is the host:port on which relays for the service
	// are accepted. Services with equal ListenAddr share one listener, which
	// serves HTTP and WebSocket whatever the URL's scheme, https and wss over TLS.
	ListenAddr string
	// TLS (tls) is the certificate of the listener if listen_url has the scheme
	// https or wss, else nil. It is the same for all services of a listener. The
	// official relay miner has no TLS.
	TLS *TLS
	// overTLS says that listen_url has the scheme https or wss.
	overTLS bool
	// SigningKeyNames (signing_key_names) are the names of the keys of the
	// suppliers that serve it, default_signing_key_names unless set. There is at
	// least one, and none twice.
	SigningKeyNames []string
	// RequestTimeout (request_timeout_seconds) is the time that a backend has
	// for its answer.
	RequestTimeout time.Duration
	// MaxBodySize (max_body_size) is the limit in bytes of a relay request. The
	// official relay miner applies one limit to all services of a listener; here
	// each has its own.
	MaxBodySize int64
	// MaxResponseSize (max_response_size) is the limit in bytes of the body that
	// a backend answers, MaxBodySize unless set. The official relay miner does not
	// have this key.
	MaxResponseSize int64
	// MaxInflatedSize (max_inflated_size) is the limit in bytes of what a
	// compressed body of a request grows to, four times MaxBodySize unless set. The
	// official relay miner does not have this key.
	MaxInflatedSize int64
	// XForwardedHostLookup (x_forwarded_host_lookup) has no effect, as in the
	// official relay miner.
	XForwardedHostLookup bool

	// DefaultBackend (service_config) serves the relays whose RPC type has no
	// backend of its own.
	DefaultBackend *Backend
	// Backends (rpc_type_service_configs) serve the relays of their RPC type.
	Backends map[sharedtypes.RPCType]*Backend
}

// Backend returns the backend for relays of the given type, the default one if
// the type has none of its own. It is false only if there is neither, which
// Parse does not let happen.
func (s *Service) Backend(rpcType sharedtypes.RPCType) (*Backend, bool) {
	if b, ok := s.Backends[rpcType]; ok {
		return b, true
	}
	return s.DefaultBackend, s.DefaultBackend != nil
}

// Backend is where relays of a service are answered, and how it is asked.
//
// Printing or encoding one shows the URL's scheme and host only, since the rest
// of a backend's URL is often what gives access to it.
type Backend struct {
	// URL (backend_url) has the scheme http, https, ws or wss and a host. It
	// holds no user and password: they are moved to Authentication.
	URL *url.URL
	// Authentication (authentication) is sent as HTTP basic authentication. It
	// is nil if there is none.
	Authentication *Authentication
	// Headers (headers) replace the headers of that name in each request to the
	// backend, Authorization included. The keys are as written in the file.
	Headers map[string]Secret
	// ForwardPocketHeaders (forward_pocket_headers) tells the backend which
	// supplier, service, session and application a relay belongs to, in headers
	// whose names begin with "Pocket-".
	ForwardPocketHeaders bool
}

// Authentication is a user of a backend.
type Authentication struct {
	Username string
	Password Secret
}

// String returns the scheme and host of the backend's URL.
func (b Backend) String() string {
	if b.URL == nil {
		return ""
	}
	return b.URL.Scheme + "://" + b.URL.Host
}

// GoString is String, for %#v.
func (b Backend) GoString() string { return b.String() }

// LogValue is String, for slog.
func (b Backend) LogValue() slog.Value { return slog.StringValue(b.String()) }

// MarshalText is String, for encoders.
func (b Backend) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// TLS is a certificate and its private key, as PEM files.
type TLS struct {
	CertFile string // cert_file, with the certificates of its issuers after it
	KeyFile  string // key_file
}

// Listener is an address and the services that are offered there.
type Listener struct {
	// Addr is the host:port to listen on.
	Addr string
	// TLS is nil if the listener speaks cleartext.
	TLS *TLS
	// Services are in the order of the file.
	Services []*Service
}

// Listeners returns the addresses on which relays are accepted, each once, in
// the order of the file.
func (c *Config) Listeners() []Listener {
	var listeners []Listener
	for _, s := range c.Services {
		i := slices.IndexFunc(listeners, func(l Listener) bool { return l.Addr == s.ListenAddr })
		if i < 0 {
			i = len(listeners)
			listeners = append(listeners, Listener{Addr: s.ListenAddr, TLS: s.TLS})
		}
		listeners[i].Services = append(listeners[i].Services, s)
	}
	return listeners
}

// SigningKeyNames returns the names of all keys that some service needs, each
// once, in the order of the file.
func (c *Config) SigningKeyNames() []string {
	var names []string
	seen := make(map[string]bool)
	for _, s := range c.Services {
		for _, name := range s.SigningKeyNames {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// resolve gives every service what the file leaves to the defaults.
func (c *Config) resolve() {
	for _, s := range c.Services {
		if len(s.SigningKeyNames) == 0 {
			s.SigningKeyNames = slices.Clone(c.DefaultSigningKeyNames)
		}
		if s.RequestTimeout == 0 {
			s.RequestTimeout = c.DefaultRequestTimeout
		}
		if s.MaxBodySize == 0 {
			s.MaxBodySize = c.DefaultMaxBodySize
		}
		if s.MaxResponseSize == 0 {
			s.MaxResponseSize = s.MaxBodySize
		}
		if s.MaxInflatedSize == 0 {
			s.MaxInflatedSize = inflation * min(s.MaxBodySize, math.MaxInt64/inflation)
		}
	}
	if len(c.PocketNode.QueryNodeRPCURLs) == 0 {
		c.PocketNode.QueryNodeRPCURLs = slices.Clone(c.PocketNode.TxNodeRPCURLs)
	}
}
