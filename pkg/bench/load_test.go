package bench

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// fakeMiner refuses every relay, and counts them by their bytes.
type fakeMiner struct {
	*httptest.Server
	mu    sync.Mutex
	seen  map[string]int
	heard func() // called for each relay
}

func newFakeMiner(t *testing.T) *fakeMiner {
	m := &fakeMiner{seen: make(map[string]int), heard: func() {}}
	refusal, err := (&servicetypes.RelayResponse{RelayMinerError: &servicetypes.RelayMinerError{
		Codespace: "test", Code: 7, Description: "not today",
	}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m.mu.Lock()
		m.seen[string(body)]++
		m.mu.Unlock()
		m.heard()
		_, _ = w.Write(refusal)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *fakeMiner) address() string { return strings.TrimPrefix(m.URL, "http://") }

func testPlan() Plan {
	gateway := key("gateway", 0)
	plan := Plan{Key: gateway.Bytes(), Suppliers: []PlannedSupplier{{"pokt1a", nil}, {"pokt1b", nil}}}
	for n := range 3 {
		plan.Sessions = append(plan.Sessions, PlannedSession{
			Header: &sessiontypes.SessionHeader{ApplicationAddress: "app", ServiceId: "svc", SessionId: strings.Repeat("x", n+1), SessionEndBlockHeight: 4},
			Ring:   [][]byte{key("application", n).PubKey().Bytes(), gateway.PubKey().Bytes()},
		})
	}
	return plan
}

// newTestLoader returns a loader whose load generator is in this process.
func newTestLoader(t *testing.T) *Loader {
	commands, in := io.Pipe()
	out, events := io.Pipe()
	group := async.NewGroup(context.Background())
	if err := group.Go("load generator", func(ctx context.Context) error {
		defer events.Close()
		return ServeLoad(ctx, commands, events, 200)
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := errors.Join(group.Wait(context.Background()), group.Err()); err != nil {
			t.Error(err)
		}
	})
	loader, err := NewLoader(t.Context(), in, out, testPlan())
	if err != nil {
		t.Fatal(err)
	}
	return loader
}

func sign(t *testing.T, l *Loader, n int) {
	t.Helper()
	if err := l.Sign(t.Context(), n, func(int) {}); err != nil {
		t.Fatal(err)
	}
}

func TestLoader_EachRelayIsSignedAndSentOnce(t *testing.T) {
	miner, loader := newFakeMiner(t), newTestLoader(t)
	sign(t, loader, 20)
	sign(t, loader, 10)
	for _, c := range []struct {
		run  Run
		sent int
	}{
		{Run{Connections: 3, Limit: 12}, 12},
		{Run{Connections: 2, Limit: 8, Rate: 1e6}, 8},
		{Run{Connections: 2, Limit: 100, Duration: time.Hour}, 10}, // which are left
	} {
		c.run.Address = miner.address()
		result, err := loader.Run(t.Context(), c.run)
		if err != nil {
			t.Fatal(err)
		}
		refused := result.Refused["not today (test 7, HTTP status 200)"]
		if result.Sent != c.sent || result.Answered != 0 || refused != c.sent || result.Refusals.Count != c.sent {
			t.Errorf("%+v: got %+v", c.run, result)
		}
	}
	if len(miner.seen) != 30 {
		t.Errorf("%d different relays arrived of 30", len(miner.seen))
	}
	sessions := make(map[string]int)
	for body, times := range miner.seen {
		if times != 1 {
			t.Errorf("a relay arrived %d times", times)
		}
		sessions[verified(t, body)]++
	}
	if len(sessions) != 6 {
		t.Errorf("relays are for %v, want three sessions with two suppliers", sessions)
	}
}

// verified checks the signature of a request and returns what it is for.
func verified(t *testing.T, body string) string {
	t.Helper()
	var request servicetypes.RelayRequest
	if err := request.Unmarshal([]byte(body)); err != nil {
		t.Fatal(err)
	}
	message, err := request.GetSignableBytesHash()
	if err != nil {
		t.Fatal(err)
	}
	s := signed{message, request.Meta.Signature}
	if err := s.verify(ring.Reference{}.Verify); err != nil {
		t.Error(err)
	}
	return request.Meta.SessionHeader.SessionId + " " + request.Meta.SupplierOperatorAddress
}

func TestLoader_AnInterruptedRunTellsWhatWasSent(t *testing.T) {
	miner, loader := newFakeMiner(t), newTestLoader(t)
	ctx, cancel := context.WithCancel(t.Context())
	miner.heard = cancel
	sign(t, loader, 5)
	// At this rate, the second relay would be due in an hour.
	result, err := loader.Run(ctx, Run{Address: miner.address(), Connections: 2, Limit: 5, Rate: 1.0 / 3600})
	if err != nil || result.Sent != 1 || result.Refusals.Count != 1 {
		t.Fatalf("got %+v, %v", result, err)
	}
	if _, err := loader.Run(ctx, Run{Address: miner.address(), Connections: 1, Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a run after the interrupt: %v", err)
	}
}

func TestLoader_TheServiceCanBeMeasuredAlone(t *testing.T) {
	loader := newTestLoader(t)
	result, err := loader.Run(t.Context(), Run{Address: loader.Service(), Direct: true, Connections: 4, Limit: 50})
	if err != nil || result.Answered != 50 || result.Answers.Count != 50 || result.Connections != 4 {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestLoader_TellsWhatCanNotBeDone(t *testing.T) {
	loader := newTestLoader(t)
	nobody, err := StartService(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]Run{
		"nothing signed": {Address: loader.Service(), Connections: 1, Limit: 1},
		"no connections": {Address: loader.Service(), Direct: true, Limit: 1},
		"nobody there":   {Address: nobody.Address(), Direct: true, Connections: 1, Limit: 1},
	} {
		if _, err := loader.Run(t.Context(), run); !errors.Is(err, ErrLoader) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLoader_ARequestWithoutReplyIsCounted(t *testing.T) {
	loader := newTestLoader(t)
	hangsUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangsUp.Close()
	result, err := loader.Run(t.Context(), Run{
		Address: strings.TrimPrefix(hangsUp.URL, "http://"), Direct: true, Connections: 1, Limit: 2,
	})
	if err != nil || result.Sent != 2 || result.Answered != 0 || result.Failed["EOF"] != 2 {
		t.Errorf("got %+v, %v", result, err)
	}
}
