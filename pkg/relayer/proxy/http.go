package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/buffer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

const (
	// readHeaderTimeout bounds how long a client may take for its headers.
	readHeaderTimeout = 10 * time.Second
	// idleTimeout bounds how long a connection is kept for the next relay.
	idleTimeout = 2 * time.Minute
	// maxHeaderBytes bounds a request's headers.
	maxHeaderBytes = 64 << 10
	// replyTime bounds how long a client may take to receive its reply, beside the
	// time that it needs at leastRate bytes a second. It is apart from the service's
	// timeout: the relay is stored by then.
	replyTime = 30 * time.Second
	// landingTime is what relays have to end after they were cut off.
	landingTime = 2 * time.Second
)

// errSpent is the cause when a server is started a second time.
var errSpent = errors.New("the relay server was started or stopped before")

// httpServer answers relay requests over HTTP/1.1 and HTTP/2 on one address, over
// TLS if that is configured, else in cleartext. The body of a request is a marshalled RelayRequest, that of a reply a
// marshalled RelayResponse; any method and path will do.
//
// The server has no time limits for whole requests: they would have to be those
// of the slowest service of the listener. Each step of a relay has its own.
type httpServer struct {
	addr     string
	services map[string]*config.Service
	maxBody  int64         // largest of the services'; each relay is held to its own service's
	timeout  time.Duration // longest of the services', likewise
	ration   *ration
	pipeline *pipeline
	backends *backend.HTTP
	troubles *troubles
	log      *slog.Logger
	tls      *config.TLS // nil for cleartext

	server      *http.Server
	cutOff      context.CancelFunc // ends the work for relays in flight
	flights     flights
	connections *connections
	relays      *connections // one for each relay that is being answered
	buffers     buffer.Pool
	served      atomic.Uint64 // relays answered with a signed response
	panics      atomic.Int64

	mu      sync.Mutex
	stopped bool
	done    chan struct{} // made by Start, closed when the accept loop has ended
}

var _ relayer.RelayServer = (*httpServer)(nil)

func newHTTPServer(
	l config.Listener,
	maxConnections int,
	p *pipeline,
	backends *backend.HTTP,
	ration *ration,
	log *slog.Logger,
) *httpServer {
	s := &httpServer{
		addr:     l.Addr,
		services: make(map[string]*config.Service, len(l.Services)),
		ration:   ration,
		pipeline: p,
		backends: backends,
		log:      log.With("listen", l.Addr),
		tls:      l.TLS,

		connections: newConnections(maxConnections),
		relays:      newConnections(maxConnections),
	}
	s.troubles = newTroubles(s.log)
	for _, service := range l.Services {
		s.services[service.ID] = service
		s.maxBody = max(s.maxBody, service.MaxBodySize)
		s.timeout = max(s.timeout, service.RequestTimeout)
	}
	base, cutOff := context.WithCancel(context.Background())
	s.cutOff = cutOff
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(l.TLS != nil)
	protocols.SetUnencryptedHTTP2(l.TLS == nil)
	s.server = &http.Server{
		Handler:           s,
		Protocols:         &protocols,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// net/http would read the body of "OPTIONS *" itself, for ever.
		DisableGeneralOptionsHandler: true,
	}
	return s
}

// Start binds the address and serves until Stop; ctx bounds the binding only. A
// server can be started once.
func (s *httpServer) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.done != nil {
		return fmt.Errorf("listen_url %s: %w", s.addr, errSpent)
	}
	if s.tls != nil {
		certificate, err := newCertificate(*s.tls, s.log)
		if err != nil {
			return fmt.Errorf("listen_url %s: %w", s.addr, err)
		}
		s.server.TLSConfig = certificate.config()
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen_url %s: %w (stop what uses the address, or choose another listen_url)", s.addr, err)
	}
	s.done = make(chan struct{})
	go s.accept(s.bounded(listener)) // awaited by Stop
	ids := make([]string, 0, len(s.services))
	for id := range s.services {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	s.log.Info("relay server started", "address", listener.Addr().String(), "services", ids)
	return nil
}

// bounded returns the listener with the bound of connections.
func (s *httpServer) bounded(listener net.Listener) net.Listener {
	return &boundedListener{
		Listener:    reportingListener{listener, s.log},
		connections: s.connections,
		plain:       s.tls == nil,
		refused:     s.connectionRefused,
	}
}

// accept serves connections until the server is stopped.
func (s *httpServer) accept(listener net.Listener) {
	defer close(s.done)
	serve := s.server.Serve
	if s.tls != nil {
		serve = func(l net.Listener) error { return s.server.ServeTLS(l, "", "") }
	}
	if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("relay server ended", "error", err)
		s.pipeline.failed(fmt.Errorf("relay server at %s: %w", s.addr, err))
	}
}

// connectionRefused tells the operator that there are too many connections.
func (s *httpServer) connectionRefused() {
	s.troubles.report(time.Now(), "", relayer.ErrRequestLimit.Wrapf("too many connections (max_connections %d, half of them of one network)",
		s.connections.most))
}

// Stop refuses new relays and waits for those in flight as long as ctx allows;
// those that are left then are cut off, which is an error. Stopping a server
// that was not started, or was stopped, does no harm.
func (s *httpServer) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	done := s.done
	s.mu.Unlock()
	defer s.cutOff()
	err := s.server.Shutdown(ctx)
	if err == nil {
		// Those whose client has left have no connection that was waited for.
		err = s.flights.wait(ctx)
	}
	if err != nil {
		err = s.abort(err)
	}
	if done != nil {
		<-done
	}
	return err
}

// abort cuts the connections that are left, ends the work for their relays and
// waits a moment for it to end. It returns the error of stopping because of cause.
func (s *httpServer) abort(cause error) error {
	cut := fmt.Errorf("listen_url %s: %d relays in flight were cut off: %w", s.addr, s.flights.number(), cause)
	s.cutOff()
	closed := s.server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), landingTime)
	defer cancel()
	if err := s.flights.wait(ctx); err != nil {
		s.log.Error("relays that were cut off do not end", "relays", s.flights.number())
	}
	return errors.Join(cut, closed)
}
