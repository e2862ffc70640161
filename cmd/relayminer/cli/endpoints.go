package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// endpoint is a server for the operator: metrics, profiles or pings.
type endpoint struct {
	name   string
	server *http.Server
	done   chan struct{} // closed when the server's accept loop has ended
}

// pingTimeout bounds how long a service may take to answer a ping.
const pingTimeout = 2 * time.Second

// openEndpoints starts the servers that the configuration switches on.
func (i *Instance) openEndpoints(ctx context.Context, cfg *config.Config) error {
	for _, each := range []struct {
		name    string
		at      config.Endpoint
		handler func() http.Handler
	}{
		{"metrics", cfg.Metrics, func() http.Handler { return metricsHandler(i.metrics()) }},
		{"pprof", cfg.Pprof, pprofHandler},
		{"ping", cfg.Ping, func() http.Handler { return pingHandler(cfg) }},
	} {
		if !each.at.Enabled {
			continue
		}
		e, err := startEndpoint(ctx, each.name, each.at.Addr, each.handler(), i.log)
		if err != nil {
			return fmt.Errorf("%s: %s.addr: %w (stop what uses the address, or choose another one)", cfg.File, each.name, err)
		}
		i.endpoints = append(i.endpoints, e)
	}
	return nil
}

func startEndpoint(ctx context.Context, name, addr string, handler http.Handler, log *slog.Logger) (*endpoint, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	e := &endpoint{
		name: name,
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
		done: make(chan struct{}),
	}
	go func() { // awaited by stop
		defer close(e.done)
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("endpoint ended", "endpoint", name, "error", err)
		}
	}()
	log.Info("endpoint started", "endpoint", name, "address", listener.Addr().String())
	return e, nil
}

func (e *endpoint) stop() error {
	err := e.server.Close()
	<-e.done
	if err != nil {
		return fmt.Errorf("stop %s: %w", e.name, err)
	}
	return nil
}

func metricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
}

// pprofHandler serves Go's profiles at the paths of net/http/pprof.
func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// pingHandler answers 204 if every service that is reached over HTTP answers with
// a status below 500, else 502.
func pingHandler(cfg *config.Config) http.Handler {
	client := &http.Client{
		Timeout:       pingTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, service := range cfg.Services {
			if err := ping(r.Context(), client, service.DefaultBackend); err != nil {
				http.Error(w, fmt.Sprintf("service %s does not answer", service.ID), http.StatusBadGateway)
				return
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func ping(ctx context.Context, client *http.Client, backend *config.Backend) error {
	at := *backend.URL
	switch at.Scheme {
	case "ws":
		at.Scheme = "http"
	case "wss":
		at.Scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, at.String(), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}
