package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/async"
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
			relays := min(200, 64*async.Cores()) // so many are never too many, see docs/operations.md
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

func TestProxy_RelaysAreRefusedAtOnceWhileTooManyWaitToBeStored(t *testing.T) {
	const bound = 1024 // docs/operations.md
	f := start(t, nil)
	waiting := make([]*servicetypes.Relay, bound)
	for i := range waiting {
		waiting[i] = &servicetypes.Relay{}
		f.receipts.Expect(waiting[i])
	}
	got := f.send(t, http1(t), relayRequest(t, "svc", "x"))
	refused(t, got, relayer.ErrRequestLimit)
	if got.http.StatusCode != http.StatusServiceUnavailable || got.http.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, headers %v", got.http.StatusCode, got.http.Header)
	}
	if n := f.auth.verified.Load(); n != 0 {
		t.Errorf("%d signatures were verified", n)
	}
	for _, relay := range waiting {
		f.receipts.Resolve(relay, nil)
	}
	f.answered(t, f.send(t, http1(t), relayRequest(t, "svc", "x")))
}
