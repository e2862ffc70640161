package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"cosmossdk.io/depinject"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// servedRelaysBuffer is the number of relays that may wait for the miner. A full
// buffer holds replies back; it does not lose relays.
const servedRelaysBuffer = 1024

// relayerProxy implements relayer.RelayerProxy.
type relayerProxy struct {
	pipeline *pipeline
	backends *backend.HTTP
	servers  []relayer.RelayServer
	served   *observable.Source[*servicetypes.Relay]
	watch    *async.Group
	log      *slog.Logger
}

var _ relayer.RelayerProxy = (*relayerProxy)(nil)

// NewRelayerProxy returns a proxy with a server for each listen address of the
// configuration. Nothing listens before Start. It fails if a dependency is missing
// or the configuration has no services.
//
// Required dependencies:
//   - *config.Config
//   - relayer.RelayAuthenticator
//   - relayer.ServiceQuerier
//   - relayer.RelayIntake
//   - relayer.RelayMeter
//   - *relayer.Receipts
//   - *slog.Logger
func NewRelayerProxy(deps depinject.Config, opts ...relayer.RelayerProxyOption) (relayer.RelayerProxy, error) {
	var cfg *config.Config
	files := sharesOf(openFiles())
	p := &relayerProxy{
		pipeline: &pipeline{refused: func(string, string, error) {}, failed: func(error) {}},
		served: observable.NewSource[*servicetypes.Relay](
			observable.WithName("served_relays"), observable.WithBuffer(servedRelaysBuffer)),
	}
	p.watch = async.NewGroup(context.Background(), async.OnFailure(func(name string, err error) {
		p.log.Error("relays are not refused when too many come at once", "cannot", name, "error", err)
	}))
	if err := depinject.Inject(deps, &cfg, &p.log,
		&p.pipeline.auth, &p.pipeline.services, &p.pipeline.intake, &p.pipeline.meter, &p.pipeline.receipts,
	); err != nil {
		return nil, fmt.Errorf("relayer proxy: %w", err)
	}
	p.log = p.log.With("component", "proxy")
	p.pipeline.served = p.served
	if len(cfg.Services) == 0 {
		return nil, errors.New("relayer proxy: the configuration has no services")
	}
	p.backends = backend.NewHTTP(files.services, countHosts(cfg.Services))
	bodies := newRation(largestBody(cfg.Services))
	listeners := cfg.Listeners()
	connections := files.limit(cfg.MaxConnections, len(listeners))
	if connections < cfg.MaxConnections {
		p.log.Warn("fewer connections are accepted than max_connections: raise the limit of open files (ulimit -n), or lower max_connections",
			"connections", connections, "max_connections", cfg.MaxConnections, "listeners", len(listeners), "open_files", openFiles())
	}
	for _, listener := range listeners {
		p.servers = append(p.servers, newHTTPServer(listener, connections, p.pipeline, p.backends, bodies, p.log))
	}
	for _, opt := range opts {
		opt(p)
	}
	return p, nil
}

// countHosts returns how many hosts the services are at.
func countHosts(services []*config.Service) int {
	hosts := make(map[string]struct{})
	for _, service := range services {
		if service.DefaultBackend != nil {
			hosts[service.DefaultBackend.URL.Host] = struct{}{}
		}
		for _, target := range service.Backends {
			hosts[target.URL.Host] = struct{}{}
		}
	}
	return len(hosts)
}

// WithRefusalObserver has observe told of each relay that is refused: the supplier
// and the service that the request names, which can be anything, and the reason. It
// is called by many goroutines at once, and the reply waits for it.
func WithRefusalObserver(observe func(supplier, serviceID string, reason error)) relayer.RelayerProxyOption {
	return func(proxy relayer.RelayerProxy) {
		if p, ok := proxy.(*relayerProxy); ok {
			p.pipeline.refused = observe
		}
	}
}

// WithOnFailure has report told when a server has ended though nobody has stopped it.
// It must not wait for the proxy.
func WithOnFailure(report func(error)) relayer.RelayerProxyOption {
	return func(proxy relayer.RelayerProxy) {
		if p, ok := proxy.(*relayerProxy); ok {
			p.pipeline.failed = report
		}
	}
}

// Start starts the servers.
func (p *relayerProxy) Start(ctx context.Context) error {
	for i, server := range p.servers {
		if err := server.Start(ctx); err != nil {
			return errors.Join(err, stopAll(ctx, p.servers[:i]))
		}
	}
	return p.watch.Go("measure how long requests wait", p.pipeline.strain.watch)
}

// Stop stops the servers, then completes the stream of served relays.
func (p *relayerProxy) Stop(ctx context.Context) error {
	err := stopAll(ctx, p.servers)
	p.served.Close()
	p.backends.Close()
	// It ends at once, and must do so even if ctx is over.
	return errors.Join(err, p.watch.Stop(context.WithoutCancel(ctx)))
}

// stopAll stops the servers at once: each of them waits for its relays in flight.
func stopAll(ctx context.Context, servers []relayer.RelayServer) error {
	errs := make(chan error, len(servers))
	for _, server := range servers {
		go func() { errs <- server.Stop(ctx) }() // awaited below
	}
	var joined []error
	for range servers {
		joined = append(joined, <-errs)
	}
	return errors.Join(slices.DeleteFunc(joined, func(err error) bool { return err == nil })...)
}

// ServedRelays returns the stream of served relays. It has one observer.
func (p *relayerProxy) ServedRelays() relayer.RelaysObservable { return p.served }

// VerifyRelayRequest asks the authenticator.
func (p *relayerProxy) VerifyRelayRequest(
	ctx context.Context,
	relayRequest *servicetypes.RelayRequest,
	serviceID string,
) error {
	return p.pipeline.auth.VerifyRelayRequest(ctx, relayRequest, serviceID)
}

// SignRelayResponse asks the authenticator.
func (p *relayerProxy) SignRelayResponse(relayResponse *servicetypes.RelayResponse, supplierOperatorAddr string) error {
	return p.pipeline.auth.SignRelayResponse(relayResponse, supplierOperatorAddr)
}
