package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// hang is a service that answers nothing until its caller leaves, which left tells.
func hang(asked, left chan<- struct{}) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	}
}

// timeout sets the timeout of the service "svc". Beside it is a service with a
// longer one, which must make no difference.
func timeout(t *testing.T, d time.Duration) func(*fixture) {
	return func(f *fixture) {
		f.config.Services[0].RequestTimeout = d
		f.config.Services = append(f.config.Services, f.newService(t, "slow"))
	}
}

func TestProxy_SlowServiceTimesOut(t *testing.T) {
	for name, newClient := range clients {
		t.Run(name, func(t *testing.T) {
			asked, left := make(chan struct{}, 1), make(chan struct{}, 1)
			f := start(t, hang(asked, left), timeout(t, 50*time.Millisecond))
			begin := time.Now()
			refused(t, f.send(t, newClient(t), relayRequest(t, "svc", "x")), relayer.ErrTimeout)
			if took := time.Since(begin); took > patience/2 {
				t.Errorf("took %s", took)
			}
			await(t, left, "the service to be left alone")
		})
	}
}

func TestProxy_SlowVerificationTimesOut(t *testing.T) {
	f := start(t, nil, timeout(t, 50*time.Millisecond), func(f *fixture) {
		f.auth.verify = func(ctx context.Context, _ *servicetypes.RelayRequest) error {
			<-ctx.Done()
			return relayer.ErrInternal.Wrapf("session: %w", ctx.Err())
		}
	})
	refused(t, f.send(t, http1(t), relayRequest(t, "svc", "x")), relayer.ErrTimeout)
	if n := f.asked.Load(); n != 0 {
		t.Errorf("the service was asked %d times", n)
	}
}

func TestProxy_SlowStoreTimesOut(t *testing.T) {
	release := make(chan struct{})
	f := start(t, nil, timeout(t, 50*time.Millisecond), func(f *fixture) {
		f.resolve = func(*servicetypes.Relay) error { <-release; return nil }
	})
	refused(t, f.send(t, http1(t), relayRequest(t, "svc", "x")), relayer.ErrTimeout)
	close(release)
	if n := len(f.served()); n != 1 {
		t.Errorf("%d relays published, want 1: what is stored is claimed all the same", n)
	}
}

func TestProxy_ServiceMayUseUpItsTimeWithoutTheRelayBeingLost(t *testing.T) {
	const limit = 300 * time.Millisecond
	for name, newClient := range clients {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil, func(f *fixture) {
				f.config.Services[0].RequestTimeout = limit // the longest of the listener
				f.resolve = func(*servicetypes.Relay) error {
					<-time.After(2 * limit)
					return nil
				}
			})
			f.answered(t, f.send(t, newClient(t), relayRequest(t, "svc", "x")))
		})
	}
}

func TestProxy_SlowBodyTimesOut(t *testing.T) {
	const limit = 50 * time.Millisecond
	for _, c := range []struct {
		name   string
		finish bool // send the rest of the body when the service's time is over
	}{
		{"body that never arrives", false},
		{"body that arrives late", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, nil, func(f *fixture) {
				f.config.Services[0].RequestTimeout = limit
				if c.finish {
					f.config.Services = append(f.config.Services, f.newService(t, "slow"))
				}
			})
			body := marshal(t, relayRequest(t, "svc", "x"))
			conn := f.dial(t)
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10])
			if c.finish {
				<-time.After(2 * limit)
				fmt.Fprintf(conn, "%s", body[10:])
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(response)
			if err != nil {
				t.Fatal(err)
			}
			refused(t, got, relayer.ErrTimeout)
			if n := f.auth.verified.Load(); n != 0 {
				t.Errorf("%d requests were verified after their time", n)
			}
		})
	}
}

func TestProxy_CutOffBodyIsMalformed(t *testing.T) {
	f := start(t, nil)
	conn := f.dial(t)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc\r\nno chunk\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(response)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, got, relayer.ErrMalformedRequest)
}

func TestProxy_CallerWhoLeavesFreesTheService(t *testing.T) {
	for name, newClient := range clients {
		t.Run(name, func(t *testing.T) {
			asked, left := make(chan struct{}, 1), make(chan struct{}, 1)
			f := start(t, hang(asked, left))
			ctx, leave := context.WithCancel(context.Background())
			defer leave()
			gone := make(chan error, 1)
			go func() { // awaited below
				_, err := f.try(ctx, newClient(t), bytes.NewReader(marshal(t, relayRequest(t, "svc", "x"))), nil)
				gone <- err
			}()
			await(t, asked, "the service to be asked")
			leave()
			await(t, left, "the service to be left alone")
			if err := <-gone; err == nil {
				t.Error("the caller was replied to")
			}
			f.stop(t)
			if n := len(f.served()); n != 0 {
				t.Errorf("%d relays published", n)
			}
		})
	}
}
