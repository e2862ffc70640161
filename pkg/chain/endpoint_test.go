package chain

import (
	"errors"
	"strings"
	"testing"
)

func TestParseRPC_AcceptsWhatOperatorsWrite(t *testing.T) {
	for _, test := range []struct{ raw, url, websocket string }{
		{"tcp://node:26657", "http://node:26657", "ws://node:26657/websocket"},
		{"http://node:26657/", "http://node:26657/", "ws://node:26657/websocket"},
		{"https://rpc.example.org", "https://rpc.example.org", "wss://rpc.example.org/websocket"},
		{"https://rpc.example.org/pocket", "https://rpc.example.org/pocket", "wss://rpc.example.org/pocket/websocket"},
		{"127.0.0.1:26657", "http://127.0.0.1:26657", "ws://127.0.0.1:26657/websocket"},
		{"[::1]:26657", "http://[::1]:26657", "ws://[::1]:26657/websocket"},
	} {
		at, err := parseRPC(test.raw)
		if err != nil {
			t.Errorf("%s: %v", test.raw, err)
			continue
		}
		if at.url.String() != test.url || at.websocket() != test.websocket {
			t.Errorf("%s: %s and %s, want %s and %s", test.raw, at.url, at.websocket(), test.url, test.websocket)
		}
	}
}

func TestParseGRPC_ChoosesTLSByScheme(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		raw      string
		insecure *bool
		target   string
		tls      bool
	}{
		{"tcp://node:9090", nil, "node:9090", false},
		{"http://node:9090", nil, "node:9090", false},
		{"node:9090", nil, "node:9090", false},
		{"tcp://node:443", &no, "node:443", true},
		{"tcp://node:9090", &yes, "node:9090", false},
		{"https://node:9090", nil, "node:9090", true},
		{"https://node:443", &yes, "node:443", true},
		{"https://node", nil, "node:443", true},
		{"http://node", nil, "node:80", false},
	} {
		at, err := parseGRPC(test.raw, test.insecure)
		if err != nil || at.target != test.target || at.tls != test.tls {
			t.Errorf("%s: %+v, %v; want %s, tls %v", test.raw, at, err, test.target, test.tls)
		}
	}
}

func TestEndpoints_WrongOnesAreConfigErrorsWithoutThePassword(t *testing.T) {
	for _, raw := range []string{"", "ftp://user:secret@node:1", "://secret", "tcp://", "http://user:secret@:80", "http://a b:secret@x"} {
		_, errRPC := parseRPC(raw)
		_, errGRPC := parseGRPC(raw, nil)
		for _, err := range []error{errRPC, errGRPC} {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("%q: %v", raw, err)
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: error shows the password: %v", raw, err)
			}
		}
	}
}
