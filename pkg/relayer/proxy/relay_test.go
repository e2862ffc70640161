package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

func TestProxy_ReplyIsSignedAndPublishedExactlyAsSent(t *testing.T) {
	for name, newClient := range clients {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil)
			client := newClient(t)
			const relays = 5
			connections := 0
			ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) {
					if !info.Reused {
						connections++
					}
				},
			})
			for i := range relays {
				body := fmt.Sprintf(`{"id":%d}`, i)
				sent := marshal(t, relayRequest(t, "svc", body))
				got, err := f.try(ctx, client, bytes.NewReader(sent), nil)
				if err != nil {
					t.Fatal(err)
				}
				if answer := f.answered(t, got); answer.StatusCode != 200 || string(answer.BodyBz) != body {
					t.Errorf("answer %d %q", answer.StatusCode, answer.BodyBz)
				}
				if want := "HTTP/2.0"; (got.http.Proto == want) != (name == "h2c") {
					t.Errorf("replied over %s", got.http.Proto)
				}
				published := f.served()
				if len(published) != i+1 {
					t.Fatalf("%d relays published after %d replies", len(published), i+1)
				}
				if !bytes.Equal(marshal(t, published[i].Req), sent) {
					t.Error("the published request is not the one that was sent")
				}
				if !bytes.Equal(marshal(t, published[i].Res), got.bytes) {
					t.Error("the published response is not the reply")
				}
			}
			if connections != 1 {
				t.Errorf("%d connections for %d relays, want 1", connections, relays)
			}
		})
	}
}

// refusalCase is a request that is refused.
type refusalCase struct {
	name   string
	change func(*fixture)                                // of the proxy
	ask    func(t *testing.T) *servicetypes.RelayRequest // nil is a good request
	raw    []byte                                        // sent in place of ask
	length bool                                          // false hides the length of raw
	rpc    string                                        // value of Rpc-Type
	reason *relayer.Error
	// answered is how many times the service is asked all the same.
	asked int64
	// unknown says that the refusal cannot name the session.
	unknown bool
}

// secret stands for what the caller must not be told.
const secret = "/var/lib/secret or 10.1.2.3:9090"

func refusalCases() []refusalCase {
	private := errors.New(secret)
	verify := func(err error) func(*fixture) {
		return func(f *fixture) {
			f.auth.verify = func(context.Context, *servicetypes.RelayRequest) error { return err }
		}
	}
	altered := func(change func(*servicetypes.RelayRequest)) func(*testing.T) *servicetypes.RelayRequest {
		return func(t *testing.T) *servicetypes.RelayRequest {
			request := relayRequest(t, "svc", "x")
			change(request)
			return request
		}
	}
	service := func(change func(*config.Service)) func(*fixture) {
		return func(f *fixture) { change(f.config.Services[0]) }
	}
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
		{name: "payload is no HTTP request", ask: altered(func(r *servicetypes.RelayRequest) { r.Payload = []byte{0xff} }),
			reason: relayer.ErrMalformedRequest},
		{name: "service is down", change: func(f *fixture) { f.service.Close() }, reason: relayer.ErrInternal},
		{name: "service answers too much", asked: 1, reason: relayer.ErrResponseTooLarge,
			ask: func(t *testing.T) *servicetypes.RelayRequest {
				return relayRequest(t, "svc", strings.Repeat("x", 600))
			},
			change: service(func(s *config.Service) { s.MaxBodySize = 1 << 10; s.DefaultBackend.URL.Path = "/twice" })},
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
	for _, c := range refusalCases() {
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
	if log := f.log.String(); !strings.Contains(log, f.service.Listener.Addr().String()) || !strings.Contains(log, "session_id=session") {
		t.Errorf("log: %s", log)
	}
}

func TestProxy_ConnectionSurvivesRefusals(t *testing.T) {
	f := start(t, nil)
	conn := f.dial(t)
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}}
	t.Cleanup(client.CloseIdleConnections)
	refused(t, f.post(t, client, []byte{0xff}, nil), relayer.ErrMalformedRequest)
	refused(t, f.send(t, client, relayRequest(t, "other", "x")), relayer.ErrServiceNotConfigured)
	f.answered(t, f.send(t, client, relayRequest(t, "svc", "x")))
}

func TestProxy_RPCTypeChoosesTheBackend(t *testing.T) {
	path := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }
	f := start(t, path, func(f *fixture) {
		s := f.config.Services[0]
		for rpcType, path := range map[sharedtypes.RPCType]string{
			sharedtypes.RPCType_REST: "/rest", sharedtypes.RPCType_JSON_RPC: "/json",
		} {
			u := *s.DefaultBackend.URL
			u.Path = path
			s.Backends[rpcType] = &config.Backend{URL: &u}
		}
	})
	for header, want := range map[string]string{"": "/", "0": "/", "3": "/json", "4": "/rest", "5": "/"} {
		got := f.post(t, http1(t), marshal(t, relayRequest(t, "svc", "x")), http.Header{"Rpc-Type": {header}})
		if answer := f.answered(t, got); string(answer.BodyBz) != want {
			t.Errorf("RPC type %q: path %q, want %q", header, answer.BodyBz, want)
		}
	}
}

func TestProxy_PocketHeadersAreSentIfConfigured(t *testing.T) {
	for _, forward := range []bool{false, true} {
		seen := make(chan http.Header, 1)
		f := start(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() },
			func(f *fixture) { f.config.Services[0].DefaultBackend.ForwardPocketHeaders = forward })
		f.answered(t, f.send(t, http1(t), relayRequest(t, "svc", "x")))
		got := make(map[string]string)
		for name, values := range <-seen {
			if strings.HasPrefix(name, "Pocket-") {
				got[name] = values[0]
			}
		}
		want := map[string]string{}
		if forward {
			want = map[string]string{
				"Pocket-Supplier": supplier, "Pocket-Service": "svc", "Pocket-Session-Id": "session",
				"Pocket-Application": "pokt1application", "Pocket-Session-Start-Height": "11", "Pocket-Session-End-Height": "20",
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("forwarding %v: %v, want %v", forward, got, want)
		}
	}
}

func TestProxy_BodyLimitIsTheServicesOwn(t *testing.T) {
	f := start(t, nil, func(f *fixture) {
		small, large := f.config.Services[0], f.newService(t, "large")
		small.MaxBodySize, large.MaxBodySize = 1<<10, 1<<16
		f.config.Services = append(f.config.Services, large)
	})
	if len(f.addresses) != 1 {
		t.Fatalf("%d listeners, want one that is shared", len(f.addresses))
	}
	for _, c := range []struct {
		service string
		bytes   int
		fits    bool
	}{
		{"svc", 800, true},
		{"svc", 1 << 10, false},
		{"svc", 1 << 15, false},
		{"svc", 1 << 17, false},
		{"large", 1 << 15, true},
		{"large", 1 << 16, false},
	} {
		got := f.send(t, http1(t), relayRequest(t, c.service, strings.Repeat("x", c.bytes)))
		if c.fits {
			f.answered(t, got)
		} else {
			refused(t, got, relayer.ErrBodyTooLarge)
		}
	}
}

func TestProxy_FailedServiceIsAnsweredForButNotPublished(t *testing.T) {
	for status, published := range map[int]int{200: 1, 302: 1, 400: 1, 404: 1, 429: 1, 499: 1, 500: 0, 502: 0, 503: 0} {
		f := start(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		got := f.send(t, http1(t), relayRequest(t, "svc", "x"))
		if answer := f.answered(t, got); int(answer.StatusCode) != status {
			t.Errorf("status %d, want %d", answer.StatusCode, status)
		}
		if n := len(f.served()); n != published {
			t.Errorf("status %d: %d relays published, want %d", status, n, published)
		}
	}
}

func TestProxy_UnstoredRelayIsRefusedAlthoughItWasAnswered(t *testing.T) {
	for _, c := range []struct {
		outcome error
		reason  *relayer.Error
	}{
		{relayer.ErrSessionSealed.Wrapf("session"), relayer.ErrSessionSealed},
		{relayer.ErrStoreRelay.Wrapf("%s", secret), relayer.ErrStoreRelay},
		{errors.New(secret), relayer.ErrStoreRelay},
	} {
		f := start(t, nil, func(f *fixture) { f.resolve = func(*servicetypes.Relay) error { return c.outcome } })
		got := f.send(t, http1(t), relayRequest(t, "svc", "x"))
		refused(t, got, c.reason)
		if strings.Contains(string(got.bytes), secret) {
			t.Errorf("the caller is told too much: %q", got.bytes)
		}
		if !strings.Contains(f.log.String(), c.outcome.Error()) {
			t.Errorf("the log does not say why: %s", f.log)
		}
	}
}

func TestProxy_PanicCostsItsOwnRelayOnly(t *testing.T) {
	for name, newClient := range clients {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil, func(f *fixture) {
				f.auth.verify = func(_ context.Context, r *servicetypes.RelayRequest) error {
					if r.Meta.SessionHeader.SessionId == "poison" {
						panic(secret)
					}
					return nil
				}
			})
			client := newClient(t)
			poison := relayRequest(t, "svc", "x")
			poison.Meta.SessionHeader.SessionId = "poison"
			for range 2 {
				got := f.send(t, client, poison)
				refused(t, got, relayer.ErrInternal)
				if *got.Meta.SessionHeader != *poison.Meta.SessionHeader || strings.Contains(string(got.bytes), secret) {
					t.Errorf("reply %q", got.bytes)
				}
			}
			f.answered(t, f.send(t, client, relayRequest(t, "svc", "x")))
			if log := f.log.String(); !strings.Contains(log, "panics=2") || !strings.Contains(log, "relay_test.go") {
				t.Errorf("the log has no count or no stack: %s", log)
			}
		})
	}
}

func TestProxy_ManyRelaysAtOnce(t *testing.T) {
	for name, newClient := range clients {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil)
			client := newClient(t)
			const relays = 200
			var all sync.WaitGroup
			for i := range relays {
				all.Go(func() {
					body := fmt.Sprintf("relay %d", i)
					got, err := f.try(context.Background(), client, bytes.NewReader(marshal(t, relayRequest(t, "svc", body))), nil)
					switch {
					case err != nil:
						t.Errorf("%s: %v", body, err)
					case got.RelayMinerError != nil:
						t.Errorf("%s: %s", body, got.RelayMinerError.Message)
					case !strings.HasSuffix(string(got.Payload), body):
						t.Errorf("%s is answered with %q", body, got.Payload)
					}
				})
			}
			all.Wait()
			if n := len(f.served()); n != relays {
				t.Errorf("%d relays published, want %d", n, relays)
			}
		})
	}
}
