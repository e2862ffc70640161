package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// refusalCase is a request that is refused.
type refusalCase struct {
	name   string
	change func(*fixture)                                // of the proxy
	ask    func(t *testing.T) *servicetypes.RelayRequest // nil is a good request
	raw    []byte                                        // sent in place of ask
	length bool                                          // false hides the length of raw
	rpc    string                                        // value of Rpc-Type
	reason *relayer.Error
	// asked is how many times the service is asked all the same.
	asked int64
	// unknown says that the refusal cannot name the session.
	unknown bool
}

// secret stands for what the caller must not be told.
const secret = "/var/lib/secret or 10.1.2.3:9090"

// altered returns a request that is good but for the change.
func altered(change func(*servicetypes.RelayRequest)) func(*testing.T) *servicetypes.RelayRequest {
	return func(t *testing.T) *servicetypes.RelayRequest {
		request := relayRequest(t, "svc", "x")
		change(request)
		return request
	}
}

// service returns a change of the configured service.
func service(change func(*config.Service)) func(*fixture) {
	return func(f *fixture) { change(f.config.Services[0]) }
}

// badRequests are refused for what they are.
func badRequests() []refusalCase {
	long := strings.Repeat("\xffé", 50_000)
	return []refusalCase{
		{name: "empty body", raw: []byte{}, length: true, reason: relayer.ErrMalformedRequest, unknown: true},
		{name: "not protobuf", raw: []byte("GET / HTTP/1.1"), length: true, reason: relayer.ErrMalformedRequest, unknown: true},
		{name: "cut off", raw: []byte{0x0a, 0x7f, 0x01}, length: true, reason: relayer.ErrMalformedRequest, unknown: true},
		{name: "too large", raw: make([]byte, 1<<20+1), length: true, reason: relayer.ErrBodyTooLarge, unknown: true},
		{name: "too large, of unknown length", raw: make([]byte, 1<<20+1), reason: relayer.ErrBodyTooLarge, unknown: true},
		{name: "no session", ask: altered(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader = nil }),
			reason: relayer.ErrInvalidRequest, unknown: true},
		{name: "long session", ask: altered(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.SessionId = long }),
			reason: relayer.ErrInvalidRequest, unknown: true},
		{name: "long supplier", ask: altered(func(r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = long }),
			reason: relayer.ErrInvalidRequest},
		{name: "unknown service", ask: altered(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.ServiceId = "other" }),
			reason: relayer.ErrServiceNotConfigured},
		{name: "RPC type that is no number", rpc: "rest", reason: relayer.ErrEndpointNotHandled},
		{name: "RPC type that is unknown", rpc: "99", reason: relayer.ErrEndpointNotHandled},
		{name: "RPC type below zero", rpc: "-1", reason: relayer.ErrEndpointNotHandled},
		{name: "RPC type that wraps around", rpc: "4294967299", reason: relayer.ErrEndpointNotHandled},
		{name: "RPC type without a backend", rpc: "4", reason: relayer.ErrEndpointNotHandled,
			change: service(func(s *config.Service) { s.DefaultBackend = nil })},
		{name: "payload is no HTTP request", ask: altered(func(r *servicetypes.RelayRequest) { r.Payload = []byte{0xff} }),
			reason: relayer.ErrMalformedRequest},
	}
}

// goodRequests are refused for something else.
func goodRequests() []refusalCase {
	private := errors.New(secret)
	long := strings.Repeat("\xffé", 50_000)
	verify := func(err error) func(*fixture) {
		return func(f *fixture) {
			f.auth.verify = func(context.Context, *servicetypes.RelayRequest) error { return err }
		}
	}
	return []refusalCase{
		{name: "backend of another transport", reason: relayer.ErrUnsupportedTransport,
			change: service(func(s *config.Service) { s.DefaultBackend = &config.Backend{URL: &url.URL{Scheme: "ws"}} })},
		{name: "bad signature", change: verify(relayer.ErrInvalidRingSignature.Wrapf("ring")),
			reason: relayer.ErrInvalidRingSignature},
		{name: "verification without a reason", change: verify(private), reason: relayer.ErrInternal},
		{name: "verification cannot ask the chain", change: verify(relayer.ErrInternal.Wrapf("%w", private)),
			reason: relayer.ErrInternal},
		{name: "long reason", change: verify(relayer.ErrInvalidSession.Wrapf("%s", long)), reason: relayer.ErrInvalidSession},
		{name: "store is full", change: func(f *fixture) { f.intake.err = private }, reason: relayer.ErrStoreBusy},
		{name: "no compute units", change: func(f *fixture) { f.chain.computeUnits = private }, reason: relayer.ErrInternal},
		{name: "no difficulty", change: func(f *fixture) { f.chain.difficulty = private }, reason: relayer.ErrInternal},
		{name: "service is down", change: func(f *fixture) { f.service.Close() }, reason: relayer.ErrInternal},
		{name: "service answers too much", asked: 1, reason: relayer.ErrResponseTooLarge,
			ask: func(t *testing.T) *servicetypes.RelayRequest {
				return relayRequest(t, "svc", strings.Repeat("x", 600))
			},
			change: service(func(s *config.Service) { s.MaxResponseSize = 1 << 10 })},
		{name: "another supplier's key", asked: 1,
			ask:    altered(func(r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = "pokt1other" }),
			reason: relayer.ErrUndefinedSigner},
		{name: "signing fails", asked: 1, reason: relayer.ErrInternal,
			change: func(f *fixture) { f.auth.sign = func(*servicetypes.RelayResponse) error { return private } }},
	}
}

func TestProxy_RefusedRelayIsNeitherAskedNorPublished(t *testing.T) {
	twice := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = w.Write(append(body, body...))
		}
		if err != nil {
			t.Errorf("service: %v", err)
		}
	}
	for _, c := range slices.Concat(badRequests(), goodRequests()) {
		for name, newClient := range clients {
			t.Run(c.name+" over "+name, func(t *testing.T) {
				f := start(t, twice, func(f *fixture) {
					if c.change != nil {
						c.change(f)
					}
				})
				request := relayRequest(t, "svc", "x")
				if c.ask != nil {
					request = c.ask(t)
				}
				raw := c.raw
				if raw == nil {
					raw = marshal(t, request)
				}
				var body io.Reader = bytes.NewReader(raw)
				if c.raw != nil && !c.length {
					body = struct{ io.Reader }{body}
				}
				header := make(http.Header)
				if c.rpc != "" {
					header.Set("Rpc-Type", c.rpc)
				}
				got, err := f.try(context.Background(), newClient(t), body, header)
				if err != nil {
					t.Fatal(err)
				}
				refused(t, got, c.reason)
				session := request.Meta.SessionHeader
				if c.unknown {
					session = &sessiontypes.SessionHeader{ServiceId: "unknown_service_id"}
				}
				if echoed := got.Meta.SessionHeader; echoed == nil || *echoed != *session {
					t.Errorf("session %v, want %v", echoed, session)
				}
				if text := string(got.bytes); strings.Contains(text, secret) || strings.Contains(text, f.service.Listener.Addr().String()) {
					t.Errorf("the caller is told too much: %q", text)
				}
				if n := f.asked.Load(); n != c.asked {
					t.Errorf("the service was asked %d times, want %d", n, c.asked)
				}
				if n := len(f.served()); n != 0 {
					t.Errorf("%d relays were published", n)
				}
			})
		}
	}
}

func TestProxy_CauseOfARefusalIsInTheLog(t *testing.T) {
	f := start(t, nil, func(f *fixture) { f.service.Close() })
	refused(t, f.send(t, http1(t), relayRequest(t, "svc", "x")), relayer.ErrInternal)
	log := f.log.String()
	for _, want := range []string{"level=WARN", "service=svc", "session_id=session", f.service.Listener.Addr().String()} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
}
