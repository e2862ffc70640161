package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// addr takes over the address of an endpoint: host:port, :port or a bare port.
func (p *parser) addr(dst *string) setter {
	return p.single(func(path, s string) {
		full := s
		if !strings.Contains(s, ":") {
			full = ":" + s
		}
		host, port, err := net.SplitHostPort(full)
		if err != nil || !validPort(port) {
			p.problem(path, "write host:port, such as 127.0.0.1:9090, or :port for all interfaces",
				"%s is not an address to listen on", quote(s))
			return
		}
		*dst = net.JoinHostPort(host, port)
	})
}

// listenURL takes over listen_url, of which scheme, host and port matter.
func (p *parser) listenURL(service *Service) setter {
	const form = "write http://host:port, such as http://0.0.0.0:8080"
	return p.single(func(path, s string) {
		u, ok := p.hostURL(path, s, form, "scheme %s is not served", "http", "ws", "https", "wss")
		switch {
		case !ok:
		case u.Port() == "":
			p.problem(path, form, "has no port")
		default:
			if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
				p.warn(path, "", "only the host and the port of the URL have an effect")
			}
			service.ListenAddr = net.JoinHostPort(strings.ToLower(u.Hostname()), u.Port())
			service.overTLS = u.Scheme == "https" || u.Scheme == "wss"
		}
	})
}

// nodeURLs takes over one URL or a list of them, the preferred one first.
func (p *parser) nodeURLs(dst *[]string) setter {
	return func(path string, n *yaml.Node) {
		items := []entry{{path: path, value: n}}
		if follow(n).Kind == yaml.SequenceNode {
			items = p.items(path, n)
		}
		for _, item := range items {
			if absent(item.value) {
				p.problem(item.path, "write a URL or remove the item", "is empty")
				continue
			}
			s, ok := p.scalar(item.path, item.value)
			if !ok {
				continue
			}
			node, ok := p.nodeURL(item.path, s)
			switch {
			case !ok:
			case slices.Contains(*dst, node):
				p.warn(item.path, "remove one of them", "is in the list twice")
			default:
				*dst = append(*dst, node)
			}
		}
	}
}

// nodeURL returns the URL s of a node. Where it has no scheme it gets tcp://,
// which is how such URLs are understood by the chain's own tools.
func (p *parser) nodeURL(path, s string) (string, bool) {
	const form = "write tcp://host:port or https://host"
	if !strings.Contains(s, "://") {
		s = "tcp://" + s
	}
	u, ok := p.hostURL(path, s, form, "a node is not reached by scheme %s", "tcp", "http", "https")
	if ok && u.Scheme == "tcp" && u.Port() == "" {
		p.problem(path, form, "has no port")
		return "", false
	}
	return s, ok
}

// backendURL takes over backend_url and, from it, user and password.
func (p *parser) backendURL(b *Backend) setter {
	const form = "write http://host:port, or with https, ws or wss"
	return p.single(func(path, s string) {
		u, ok := p.hostURL(path, s, form, "a backend is not reached by scheme %s", "http", "https", "ws", "wss")
		if ok {
			b.URL = u
		}
	})
}

// proverURL takes over the URL of a prover.
func (p *parser) proverURL(dst *string) setter {
	const form = "write http://host:port or https://host:port"
	return p.single(func(path, s string) {
		u, ok := p.hostURL(path, s, form, "a prover is not reached by scheme %s", "http", "https")
		switch {
		case !ok:
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			p.problem(path, form+", and a secret as token", "has more than a host and a path")
		default:
			*dst = s
		}
	})
}

// hostURL returns the URL s, which must have a host and one of the schemes. form is how
// to write it, and refused says what any other scheme is not good for, with a %s for it.
func (p *parser) hostURL(path, s, form, refused string, schemes ...string) (*url.URL, bool) {
	u, fault := parseURL(s)
	switch {
	case fault != "":
		p.problem(path, form, "%s", fault)
	case !slices.Contains(schemes, u.Scheme):
		p.problem(path, form, refused, quote(u.Scheme))
	case u.Hostname() == "":
		p.problem(path, form, "has no host")
	default:
		return u, true
	}
	return nil, false
}

// parseURL returns the URL s, or what is wrong with it in words that repeat
// nothing of s that may be secret.
func parseURL(s string) (u *url.URL, fault string) {
	if !strings.Contains(s, "://") {
		return nil, "has no scheme"
	}
	u, err := url.Parse(s)
	if err != nil {
		var parseErr *url.Error
		if errors.As(err, &parseErr) && !strings.ContainsAny(s, "@?") {
			return nil, "is not a URL: " + parseErr.Err.Error()
		}
		return nil, "is not a URL"
	}
	if port := u.Port(); port != "" && !validPort(port) {
		return nil, "has a port that is not between 1 and 65535"
	}
	return u, ""
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// overlap says whether two addresses cannot both be bound, because they are the
// same or one of them is that port on all interfaces.
func overlap(a, b string) bool {
	hostA, portA := splitAddr(a)
	hostB, portB := splitAddr(b)
	return portA == portB && (hostA == hostB || hostA == "" || hostB == "")
}

// splitAddr returns host and port of an address in a form that can be compared:
// the host is empty if it stands for all interfaces. Empty or literal unspecified
// addresses are bound for IPv4 and IPv6 alike by package net.
func splitAddr(addr string) (host, port string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, ""
	}
	port = strings.TrimLeft(port, "0")
	host = strings.ToLower(host)
	if host == "localhost" {
		return "127.0.0.1", port
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return host, port
	case ip.Unmap().IsUnspecified():
		return "", port
	}
	return ip.Unmap().String(), port
}

// loopback says whether an address can be reached from this machine only.
func loopback(addr string) bool {
	host, _ := splitAddr(addr)
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
