package cli

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/session"
)

func TestPing_TellsWhetherEveryServiceAnswers(t *testing.T) {
	status := http.StatusOK
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer backend.Close()
	at, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	handler := pingHandler(&config.Config{Services: []*config.Service{{ID: "svc", DefaultBackend: &config.Backend{URL: at}}}})
	ping := func() *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		return recorder
	}
	if got := ping(); got.Code != http.StatusNoContent {
		t.Errorf("all services answer: status %d", got.Code)
	}
	status = http.StatusInternalServerError
	if got := ping(); got.Code != http.StatusBadGateway || !strings.Contains(got.Body.String(), "svc") {
		t.Errorf("a service fails: status %d %q", got.Code, got.Body)
	}
	backend.Close()
	if got := ping(); got.Code != http.StatusBadGateway {
		t.Errorf("a service is gone: status %d", got.Code)
	}
}

func TestEndpoint_NamesTheSettingWhenItsAddressIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	i := &Instance{log: slog.New(slog.DiscardHandler)}
	cfg := &config.Config{File: "relayminer.yaml", Pprof: config.Endpoint{Enabled: true, Addr: taken.Addr().String()}}
	err = i.openEndpoints(context.Background(), cfg)
	if err == nil || !strings.Contains(err.Error(), "relayminer.yaml: pprof.addr: ") {
		t.Errorf("error %v", err)
	}
}

func TestEndpoint_ServesProfilesAndStops(t *testing.T) {
	i := &Instance{log: slog.New(slog.DiscardHandler)}
	e, err := startEndpoint(t.Context(), "pprof", "127.0.0.1:0", pprofHandler(), i.log)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.stop(); err != nil {
		t.Error(err)
	}
	recorder := httptest.NewRecorder()
	pprofHandler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/cmdline", nil))
	if recorder.Code != http.StatusOK {
		t.Errorf("status %d", recorder.Code)
	}
}

func TestMetrics_CountSessionsByState(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&sessionsCollector{records: func() ([]*session.Record, error) {
		return []*session.Record{{State: session.StateOpen}, {State: session.StateOpen}, {State: session.StateSettled}}, nil
	}})
	want := `
# HELP relayminer_sessions Sessions in the store, by state.
# TYPE relayminer_sessions gauge
relayminer_sessions{state="open"} 2
relayminer_sessions{state="settled"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
