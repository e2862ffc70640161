package chain

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// rpcEndpoint is the address of a CometBFT RPC server.
type rpcEndpoint struct {
	url *url.URL // scheme http or https
}

// parseRPC accepts tcp://, http://, https:// and host:port. tcp means http, as
// it does for the node's own tools.
func parseRPC(raw string) (rpcEndpoint, error) {
	u, err := parseEndpoint(raw)
	if err != nil {
		return rpcEndpoint{}, err
	}
	switch u.Scheme {
	case "tcp", "http":
		u.Scheme = "http"
	case "https":
	default:
		return rpcEndpoint{}, fmt.Errorf("%w: rpc url %q: scheme is none of tcp, http, https", ErrConfig, u.Redacted())
	}
	return rpcEndpoint{url: u}, nil
}

// String returns the address without its password, for errors and logs.
func (e rpcEndpoint) String() string { return e.url.Redacted() }

// websocket returns the address of the server's event stream.
func (e rpcEndpoint) websocket() string {
	u := *e.url
	u.User = nil // sent as a header instead
	u.Scheme = "ws"
	if e.url.Scheme == "https" {
		u.Scheme = "wss"
	}
	u.Path = strings.TrimRight(u.Path, "/") + "/websocket"
	return u.String()
}

// grpcEndpoint is the address of a gRPC server.
type grpcEndpoint struct {
	target string // host:port
	tls    bool
}

func (e grpcEndpoint) String() string {
	if e.tls {
		return "https://" + e.target
	}
	return "http://" + e.target
}

// parseGRPC accepts tcp://host:port, http://, https:// and host:port. https is
// always TLS; the others are plain text unless insecure points to false.
func parseGRPC(raw string, insecure *bool) (grpcEndpoint, error) {
	u, err := parseEndpoint(raw)
	if err != nil {
		return grpcEndpoint{}, err
	}
	e := grpcEndpoint{target: u.Host}
	switch u.Scheme {
	case "https":
		e.tls = true
	case "tcp", "http":
		e.tls = insecure != nil && !*insecure
	default:
		return grpcEndpoint{}, fmt.Errorf("%w: grpc url %q: scheme is none of tcp, http, https", ErrConfig, u.Redacted())
	}
	if u.Port() == "" {
		port := "80"
		if e.tls {
			port = "443"
		}
		e.target = net.JoinHostPort(u.Hostname(), port)
	}
	return e, nil
}

// parseEndpoint parses a URL whose scheme may be missing, which then is tcp.
func parseEndpoint(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return nil, fmt.Errorf("%w: empty node url", ErrConfig)
	}
	if !strings.Contains(raw, "://") {
		raw = "tcp://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The error of url.Parse repeats the URL with its password.
		return nil, fmt.Errorf("%w: node url cannot be parsed", ErrConfig)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%w: node url %q has no host", ErrConfig, u.Redacted())
	}
	return u, nil
}
