package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// meter grants all relays unless refuse says why not, and keeps their reservations.
type meter struct {
	refuse error
	over   bool

	mu           sync.Mutex
	reservations []*reservation
}

func (m *meter) Reserve(_ context.Context, _ *sessiontypes.SessionHeader, _ string, units uint64) (relayer.RelayReservation, error) {
	if m.refuse != nil {
		return nil, m.refuse
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &reservation{units: units, over: m.over, ended: make(chan struct{})}
	m.reservations = append(m.reservations, r)
	return r, nil
}

// fates returns what became of the reservations, in the order in which they were made.
func (m *meter) fates() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var fates []string
	for _, r := range m.reservations {
		fate, _ := r.fate.Load().(string)
		fates = append(fates, fate)
	}
	return fates
}

// reservation notes what is called first.
type reservation struct {
	units uint64
	over  bool
	fate  atomic.Value // string
	ended chan struct{}
}

func (r *reservation) OverServiced() bool { return r.over }
func (r *reservation) Commit()            { r.end("committed") }
func (r *reservation) Refund()            { r.end("refunded") }

func (r *reservation) end(fate string) {
	if r.fate.CompareAndSwap(nil, fate) {
		close(r.ended)
	}
}

func TestMeter_RefusedRelayIsToldToBackOffAndNeverReachesTheService(t *testing.T) {
	f := start(t, nil, func(f *fixture) { f.meter.refuse = relayer.ErrRateLimited.Wrapf("nothing left") })
	got := f.send(t, http1(t), relayRequest(t, "svc", "x"))
	refused(t, got, relayer.ErrRateLimited)
	if got.http.StatusCode != http.StatusTooManyRequests {
		t.Errorf("HTTP status %s, want 429", got.http.Status)
	}
	if n := f.asked.Load(); n != 0 {
		t.Errorf("the service was asked %d times", n)
	}
}

func TestMeter_IsNotAskedForUnverifiedRelays(t *testing.T) {
	f := start(t, nil, func(f *fixture) {
		f.auth.verify = func(context.Context, *servicetypes.RelayRequest) error {
			return relayer.ErrInvalidRingSignature.Wrapf("forged")
		}
	})
	got := f.send(t, http1(t), relayRequest(t, "svc", "x"))
	refused(t, got, relayer.ErrInvalidRingSignature)
	if got.http.StatusCode != http.StatusOK {
		t.Errorf("HTTP status %s, want 200", got.http.Status)
	}
	if fates := f.meter.fates(); len(fates) != 0 {
		t.Errorf("reserved: %v", fates)
	}
}

func TestMeter_OnlyRelaysThatAreClaimedAreCharged(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		change  func(*fixture)
		fate    string
	}{
		"stored":                {nil, func(*fixture) {}, "committed"},
		"refused by the client": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, func(*fixture) {}, "committed"},
		"failed by the service": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, func(*fixture) {}, "refunded"},
		"cut off by the service": {func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, func(*fixture) {}, "refunded"},
		"not signed": {nil, func(f *fixture) {
			f.auth.sign = func(*servicetypes.RelayResponse) error { return errors.New("no") }
		}, "refunded"},
		"panicking": {nil, func(f *fixture) {
			f.auth.sign = func(*servicetypes.RelayResponse) error { panic("no") }
		}, "refunded"},
		"not stored": {nil, func(f *fixture) {
			f.resolve = func(*servicetypes.Relay) error { return relayer.ErrSessionSealed }
		}, "refunded"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, c.handler, c.change)
			f.send(t, http1(t), relayRequest(t, "svc", "x"))
			if fates := f.meter.fates(); !slices.Equal(fates, []string{c.fate}) {
				t.Errorf("reservations %q, want %q", fates, c.fate)
			}
			if units := f.meter.reservations[0].units; units != 1 {
				t.Errorf("%d compute units reserved, want the service's 1", units)
			}
		})
	}
}

func TestMeter_RelayWhoseClientLeavesIsChargedOnlyIfItWasPublished(t *testing.T) {
	for name, published := range map[string]bool{"while it is stored": true, "while the service works": false} {
		t.Run(name, func(t *testing.T) {
			reached, leave := make(chan struct{}), make(chan struct{})
			defer close(leave)
			f := start(t, func(_ http.ResponseWriter, r *http.Request) {
				if !published {
					close(reached)
					<-r.Context().Done()
				}
			}, func(f *fixture) {
				f.resolve = func(*servicetypes.Relay) error {
					close(reached)
					<-leave
					return nil
				}
			})
			ctx, cancel := context.WithCancel(context.Background())
			left := make(chan error, 1)
			go func() {
				_, err := f.try(ctx, http1(t), bytes.NewReader(marshal(t, relayRequest(t, "svc", "x"))), nil)
				left <- err
			}()
			await(t, reached, "the relay to arrive")
			cancel()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Errorf("the client got %v", err)
			}
			want := "refunded"
			if published {
				want = "committed"
			}
			f.awaitFate(t, want)
		})
	}
}

// awaitFate waits until the first reservation has an end, which must be want.
func (f *fixture) awaitFate(t *testing.T, want string) {
	t.Helper()
	select {
	case <-f.meter.reservations[0].ended:
	case <-time.After(patience):
		t.Fatal("the reservation has no end")
	}
	if fates := f.meter.fates(); !slices.Equal(fates, []string{want}) {
		t.Errorf("reservations %q, want %q", fates, want)
	}
}

func TestMeter_OverServicedRelayIsAnsweredAndNotPublished(t *testing.T) {
	f := start(t, nil, func(f *fixture) { f.meter.over = true })
	answer := f.answered(t, f.send(t, http1(t), relayRequest(t, "svc", "x")))
	if string(answer.BodyBz) != "x" {
		t.Errorf("answer %q", answer.BodyBz)
	}
	if published := f.served(); len(published) != 0 {
		t.Errorf("%d relays were published", len(published))
	}
	if fates := f.meter.fates(); !slices.Equal(fates, []string{"committed"}) {
		t.Errorf("reservations %q", fates)
	}
}
