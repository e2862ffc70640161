package config

import (
	"strings"
	"testing"
)

func TestParse_ListenerOverTLSHasItsCertificate(t *testing.T) {
	cleartext := parse(t, minimal)
	equal(t, "listener without TLS", cleartext.Listeners()[0].TLS, nil)
	equal(t, "connections by default", cleartext.MaxConnections, DefaultMaxConnections)
	equal(t, "placeholder rings by default", cleartext.AcceptPlaceholderRings, false)

	text := strings.Replace(minimal, "listen_url: http://", "tls: {cert_file: cert.pem, key_file: key.pem}\n    listen_url: https://", 1)
	c := parse(t, "max_connections: 100\naccept_placeholder_rings: true\n"+text)
	equal(t, "certificate", *c.Listeners()[0].TLS, TLS{CertFile: "cert.pem", KeyFile: "key.pem"})
	equal(t, "connections", c.MaxConnections, 100)
	equal(t, "placeholder rings", c.AcceptPlaceholderRings, true)
	if warnings := strings.Join(c.Warnings, "\n"); !strings.Contains(warnings, "accept_placeholder_rings") {
		t.Errorf("warnings %q do not name the danger", warnings)
	}
}

func TestParse_SizesFollowFromTheRequestsUnlessGiven(t *testing.T) {
	s := parse(t, minimal).Services[0]
	equal(t, "response by default", s.MaxResponseSize, DefaultMaxBodySize)
	equal(t, "inflated by default", s.MaxInflatedSize, 4*DefaultMaxBodySize)

	s = parse(t, strings.Replace(minimal, "    listen_url", "    max_body_size: 1MB\n    listen_url", 1)).Services[0]
	equal(t, "response of a size", s.MaxResponseSize, 1<<20)
	equal(t, "inflated of a size", s.MaxInflatedSize, 4<<20)

	s = parse(t, strings.Replace(minimal, "    listen_url",
		"    max_body_size: 1MB\n    max_response_size: 3MB\n    max_inflated_size: 2MB\n    listen_url", 1)).Services[0]
	equal(t, "request", s.MaxBodySize, 1<<20)
	equal(t, "response", s.MaxResponseSize, 3<<20)
	equal(t, "inflated", s.MaxInflatedSize, 2<<20)
}
