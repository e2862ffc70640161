package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cosmossdk.io/depinject"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
)

// freeAddress returns an address of loopback on which nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func refusesConnections(t testing.TB, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
		t.Errorf("%s still accepts connections", address)
	}
}

func TestNewRelayerProxy_MissingDependencyIsNamed(t *testing.T) {
	_, err := proxy.NewRelayerProxy(depinject.Supply(&config.Config{}))
	if err == nil || !strings.Contains(err.Error(), "slog.Logger") {
		t.Errorf("error %v", err)
	}
}

func TestNewRelayerProxy_NeedsAService(t *testing.T) {
	f := newFixture(t, nil)
	f.config.Services = nil
	if _, err := proxy.NewRelayerProxy(f.deps()); err == nil {
		t.Error("a proxy for nothing was made")
	}
	f.stop(t)
}

func TestNewRelayerProxy_OptionsAreApplied(t *testing.T) {
	f := newFixture(t, nil)
	var given relayer.RelayerProxy
	made, err := proxy.NewRelayerProxy(f.deps(), func(p relayer.RelayerProxy) { given = p })
	if err != nil || given != made {
		t.Errorf("option was given %v, made was %v, error %v", given, made, err)
	}
	f.stop(t)
}

func TestProxy_VerifiesAndSignsAsItsAuthenticator(t *testing.T) {
	f := start(t, nil)
	request := relayRequest(t, "svc", "x")
	if err := f.VerifyRelayRequest(context.Background(), request, "svc"); err != nil {
		t.Error(err)
	}
	if err := f.VerifyRelayRequest(context.Background(), request, "other"); !errors.Is(err, relayer.ErrInvalidSession) {
		t.Errorf("error %v", err)
	}
	response := &servicetypes.RelayResponse{Payload: []byte("x")}
	if err := f.SignRelayResponse(response, supplier); err != nil {
		t.Error(err)
	}
	if err := response.VerifySupplierOperatorSignature(f.auth.key.PubKey()); err != nil {
		t.Error(err)
	}
	if err := f.SignRelayResponse(response, "other"); !errors.Is(err, relayer.ErrUndefinedSigner) {
		t.Errorf("error %v", err)
	}
}

func TestProxy_StartSaysWhereItListensForWhat(t *testing.T) {
	f := start(t, nil, func(f *fixture) {
		other := f.newService(t, "other")
		other.ListenAddr = "localhost:0"
		f.config.Services = append(f.config.Services, other, f.newService(t, "abc"))
	})
	if len(f.addresses) != 2 {
		t.Fatalf("addresses %v, want 2", f.addresses)
	}
	for _, want := range []string{`services="[abc svc]"`, "services=[other]", "listen=127.0.0.1:0", "level=INFO"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, f.log)
		}
	}
	// A service is served on its own address only.
	f.answered(t, f.send(t, http1(t), relayRequest(t, "svc", "x")))
	refused(t, f.send(t, http1(t), relayRequest(t, "other", "x")), relayer.ErrServiceNotConfigured)
}

func TestProxy_StartFailsAsAWholeIfAnAddressIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := freeAddress(t)
	f := newFixture(t, nil, func(f *fixture) {
		second := f.newService(t, "second")
		f.config.Services[0].ListenAddr, second.ListenAddr = free, taken.Addr().String()
		f.config.Services = append(f.config.Services, second)
	})
	err = f.Start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "listen_url "+taken.Addr().String()) {
		t.Errorf("error %v, want one that names %s", err, taken.Addr())
	}
	refusesConnections(t, free)
	f.stop(t)
}

func TestProxy_StopWithoutStart(t *testing.T) {
	f := newFixture(t, nil)
	f.stop(t)
	f.stop(t)
	if err := f.Start(context.Background()); err == nil {
		t.Error("a stopped proxy can be started")
	}
}

func TestProxy_StartTwiceIsAnError(t *testing.T) {
	f := start(t, nil)
	if err := f.Start(context.Background()); err == nil {
		t.Error("a second start succeeds")
	}
	f.answered(t, f.send(t, http1(t), relayRequest(t, "svc", "x")))
}

func TestProxy_StartedProxyOutlivesTheContextOfStart(t *testing.T) {
	f := newFixture(t, nil, func(f *fixture) { f.config.Services[0].ListenAddr = freeAddress(t) })
	ctx, cancel := context.WithCancel(context.Background())
	if err := f.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer f.stop(t)
	cancel()
	f.addresses = []string{f.config.Services[0].ListenAddr}
	f.answered(t, f.send(t, http1(t), relayRequest(t, "svc", "x")))
}

// inFlight starts a proxy, sends a relay and returns when its service has been
// asked, together with what lets the service answer and the outcome.
func inFlight(t *testing.T, client *http.Client) (f *fixture, answer func(), outcome chan error, left chan struct{}) {
	asked, release := make(chan struct{}), make(chan struct{})
	left = make(chan struct{}, 1)
	f = newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		select {
		case <-release:
			echo(w, r)
		case <-r.Context().Done():
			left <- struct{}{}
		}
	}, func(f *fixture) { f.config.Services[0].ListenAddr = freeAddress(t) })
	if err := f.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	f.addresses = []string{f.config.Services[0].ListenAddr}
	outcome = make(chan error, 1)
	go func() { // awaited through outcome
		got, err := f.try(context.Background(), client, bytes.NewReader(marshal(t, relayRequest(t, "svc", "x"))), nil)
		if err == nil && got.RelayMinerError != nil {
			err = errors.New(got.RelayMinerError.Message)
		}
		outcome <- err
	}()
	await(t, asked, "the service to be asked")
	return f, func() { close(release) }, outcome, left
}

func TestProxy_StopLetsRelaysInFlightFinish(t *testing.T) {
	for name, newClient := range clients {
		t.Run(name, func(t *testing.T) {
			f, answer, outcome, _ := inFlight(t, newClient(t))
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			stopped := make(chan error, 1)
			go func() { stopped <- f.Stop(ctx) }() // awaited below
			awaitRefusal(t, f.addresses[0])
			select {
			case <-f.completed:
				t.Error("the stream completed while a relay was in flight")
			case err := <-stopped:
				t.Errorf("stopped while a relay was in flight: %v", err)
			default:
			}
			answer()
			if err := <-outcome; err != nil {
				t.Errorf("relay in flight: %v", err)
			}
			if err := <-stopped; err != nil {
				t.Errorf("stop: %v", err)
			}
			await(t, f.completed, "the stream of served relays to complete")
			if n := len(f.served()); n != 1 {
				t.Errorf("%d relays published, want 1", n)
			}
		})
	}
}

// awaitRefusal waits until the address refuses connections.
func awaitRefusal(t *testing.T, address string) {
	t.Helper()
	for give := time.Now().Add(patience); time.Now().Before(give); {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Fatal("new connections are accepted while stopping")
}

func TestProxy_StopCutsOffRelaysThatTakeTooLong(t *testing.T) {
	for name, newClient := range clients {
		t.Run(name, func(t *testing.T) {
			f, _, outcome, left := inFlight(t, newClient(t))
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			err := f.Stop(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 relays in flight") {
				t.Errorf("error %v", err)
			}
			await(t, f.completed, "the stream of served relays to complete")
			await(t, left, "the service to be left alone")
			if err := <-outcome; err == nil {
				t.Error("the relay was served")
			}
			if n := len(f.served()) + f.receipts.Pending(); n != 0 {
				t.Errorf("%d relays published", n)
			}
			refusesConnections(t, f.addresses[0])
		})
	}
}

func TestProxy_StopCutsOffRelaysWhoseCallerIsNotWatched(t *testing.T) {
	asked, left := make(chan struct{}, 1), make(chan struct{}, 1)
	f := start(t, hang(asked, left))
	body := marshal(t, relayRequest(t, "svc", "x"))
	conn := f.dial(t)
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	await(t, asked, "the service to be asked")
	// With the next request begun, net/http does not see the connection end.
	fmt.Fprint(conn, "P")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := f.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	await(t, left, "the service to be left alone")
	if strings.Contains(f.log.String(), "do not end") {
		t.Errorf("log: %s", f.log)
	}
}

func TestProxy_StopWaitsForRelaysWhoseCallerHasLeft(t *testing.T) {
	var ended atomic.Bool
	verifying, release := make(chan struct{}), make(chan struct{})
	f := start(t, nil, func(f *fixture) {
		f.auth.verify = func(context.Context, *servicetypes.RelayRequest) error {
			close(verifying)
			<-release // whatever the context says
			ended.Store(true)
			return relayer.ErrInternal
		}
	})
	conn := f.dial(t)
	client := h2c(t)
	client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		return conn, nil
	}
	gone := make(chan error, 1)
	go func() { // awaited below
		_, err := f.try(context.Background(), client, bytes.NewReader(marshal(t, relayRequest(t, "svc", "x"))), nil)
		gone <- err
	}()
	await(t, verifying, "the request to be verified")
	conn.Close()
	if err := <-gone; err == nil {
		t.Error("the caller was replied to")
	}
	releasing := time.AfterFunc(200*time.Millisecond, func() { close(release) })
	defer releasing.Stop()
	f.stop(t)
	if !ended.Load() {
		t.Error("stopped while a relay was being verified")
	}
}
