package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

// soon is how long a relay miner may take to stop when it waits for nothing but
// its own disk: far less than the half minute that relays in flight may take.
const soon = 10 * time.Second

// heldService is a service whose answers can be held back.
type heldService struct {
	*httptest.Server
	held    atomic.Bool
	arrived chan struct{} // gets an element for each request that is held
	release chan struct{} // closed by the test to let them be answered
}

func newHeldService(t *testing.T) *heldService {
	t.Helper()
	s := &heldService{arrived: make(chan struct{}, 16), release: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers any JSON-RPC call.
func (s *heldService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil { // only then net/http notices a client that leaves
		return
	}
	if s.held.Load() {
		s.arrived <- struct{}{}
		select {
		case <-s.release:
		case <-r.Context().Done():
			return
		}
	}
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":"0x1"}`) // a client that left needs no answer
}

// hold has relays sent whose answers are held back, and returns when the service
// has them. The channel returned gets why each was not answered, nil if it was.
func (s *heldService) hold(ctx context.Context, t *testing.T, l *lane, relays int) <-chan error {
	t.Helper()
	session := l.fresh(ctx, t)
	s.held.Store(true)
	ends := make(chan error, relays)
	for range relays {
		go func() { ends <- l.send(ctx, session, l.supplier) }() // awaited through ends
	}
	for range relays {
		select {
		case <-s.arrived:
		case err := <-ends:
			t.Fatalf("a relay did not get to the service: %v", err)
		}
	}
	return ends
}

// awaitRefusal returns when the lane's relay miner takes no more connections.
func (l *lane) awaitRefusal(t *testing.T) {
	t.Helper()
	address := strings.TrimPrefix(l.endpoint(), "http://")
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.w.net.WaitForHeight(l.w.ctx, l.w.net.Height()+1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSignal_StopsInOrderAndTheNextStartGoesOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		run  func(*testing.T, *lane, *heldService)
	}{
		{"relays-in-flight-are-finished", finishesRelaysInFlight},
		{"in-claim-and-proof-windows", stopsInWindows},
		{"second-signal-ends-at-once", endsAtOnce},
	}
	held := make([]*heldService, len(tests))
	services := make([]localnet.ServiceConfig, len(tests))
	for i, tc := range tests {
		held[i] = newHeldService(t)
		services[i] = localnet.ServiceConfig{ID: tc.name, BackendURL: held[i].URL}
	}
	newLanes(t, services).sideBySide(t, func(t *testing.T, i int, l *lane) { tests[i].run(t, l, held[i]) })
}

func finishesRelaysInFlight(t *testing.T, l *lane, service *heldService) {
	const relays = 4
	ctx := l.w.ctx
	miner := l.miner(t).start(t)
	miner.awaitReady(ctx, t)
	ends := service.hold(ctx, t, l, relays)

	miner.signal(t, syscall.SIGINT)
	l.awaitRefusal(t)
	began := time.Now()
	close(service.release)
	for range relays {
		if err := <-ends; err != nil {
			t.Errorf("a relay in flight was not answered: %v", err)
		}
	}
	if status := miner.awaitEnd(ctx, t); !status.Exited() || status.ExitStatus() != 0 {
		t.Errorf("the relay miner ended with %v", miner.End())
	}
	if took := time.Since(began); took > soon {
		t.Errorf("the relay miner ended %s after the last relay was answered", took)
	}
	resumed := l.miner(t).start(t)
	resumed.awaitReady(ctx, t)
	l.checkPaid(t, relays)
	resumed.stop(ctx, t, syscall.SIGTERM)
}

func stopsInWindows(t *testing.T, l *lane, _ *heldService) {
	const relays = 5
	ctx := l.w.ctx
	miner := l.miner(t).start(t)
	miner.awaitReady(ctx, t)
	session := l.fresh(ctx, t)
	l.serve(t, session, relays)
	params, err := l.w.queries.SharedParams(ctx)
	if err != nil {
		t.Fatal(err)
	}
	end := session.Header.SessionEndBlockHeight
	for _, height := range []int64{
		sharedtypes.GetClaimWindowOpenHeight(params, end),
		sharedtypes.GetProofWindowOpenHeight(params, end),
	} {
		if err := l.w.net.WaitForHeight(ctx, height); err != nil {
			t.Fatal(err)
		}
		if took := miner.stop(ctx, t, syscall.SIGTERM); took > soon {
			t.Errorf("the relay miner took %s to stop at height %d", took, height)
		}
		miner = l.miner(t).start(t)
		miner.awaitReady(ctx, t)
	}
	l.checkPaid(t, relays)
	miner.stop(ctx, t, syscall.SIGTERM)
}

func endsAtOnce(t *testing.T, l *lane, service *heldService) {
	const relays = 3
	ctx := l.w.ctx
	miner := l.miner(t).start(t)
	miner.awaitReady(ctx, t)
	l.serve(t, l.fresh(ctx, t), relays)
	ends := service.hold(ctx, t, l, 1)

	miner.signal(t, syscall.SIGTERM)
	l.awaitRefusal(t)
	began := time.Now()
	miner.signal(t, syscall.SIGTERM)
	status := miner.awaitEnd(ctx, t)
	if !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the second signal did not end the process, which ended with %v", miner.End())
	}
	if took := time.Since(began); took > soon {
		t.Errorf("the relay miner ended %s after the second signal", took)
	}
	if err := <-ends; err == nil {
		t.Error("the relay in flight was answered")
	}
	resumed := l.miner(t).start(t)
	resumed.awaitReady(ctx, t)
	l.checkPaid(t, relays)
	resumed.stop(ctx, t, syscall.SIGTERM)
}
