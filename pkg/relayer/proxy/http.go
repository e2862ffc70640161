package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

const (
	// readHeaderTimeout bounds how long a client may take for its headers.
	readHeaderTimeout = 10 * time.Second
	// idleTimeout bounds how long a connection is kept for the next relay.
	idleTimeout = 2 * time.Minute
	// maxHeaderBytes bounds a request's headers.
	maxHeaderBytes = 64 << 10
	// replyTime is what a request has beyond its service's timeout, for the reply
	// to be written.
	replyTime = 2 * time.Second
	// rpcTypeHeader carries the number of a sharedtypes.RPCType, by which a
	// gateway chooses among a service's backends.
	rpcTypeHeader = "Rpc-Type"
)

// httpServer answers relay requests over HTTP/1.1 and cleartext HTTP/2 on one
// address. The body of a request is a marshalled RelayRequest, that of a reply a
// marshalled RelayResponse; any method and path will do.
type httpServer struct {
	addr     string
	services map[string]*config.Service
	maxBody  int64 // largest of the services'; each relay is held to its own service's
	timeout  time.Duration
	pipeline *pipeline
	backends *backend.HTTP
	log      *slog.Logger

	server *http.Server
	done   chan struct{} // made by Start, closed when the accept loop has ended
}

var _ relayer.RelayServer = (*httpServer)(nil)

func newHTTPServer(l config.Listener, p *pipeline, backends *backend.HTTP, log *slog.Logger) *httpServer {
	s := &httpServer{
		addr:     l.Addr,
		services: make(map[string]*config.Service, len(l.Services)),
		pipeline: p,
		backends: backends,
		log:      log.With("listen", l.Addr),
	}
	for _, service := range l.Services {
		s.services[service.ID] = service
		s.maxBody = max(s.maxBody, service.MaxBodySize)
		s.timeout = max(s.timeout, service.RequestTimeout)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.server = &http.Server{
		Handler:           s,
		Protocols:         &protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       s.timeout + replyTime,
		WriteTimeout:      s.timeout + 2*replyTime,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s
}

// Start binds the address and serves.
func (s *httpServer) Start(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen_url %s: %w (stop what uses the address, or choose another listen_url)", s.addr, err)
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("relay server ended", "error", err)
		}
	}()
	s.log.Info("relay server started", "services", len(s.services))
	return nil
}

// Stop refuses new relays and waits for those in flight as long as ctx allows;
// connections that are left then are cut.
func (s *httpServer) Stop(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("listen_url %s: relays in flight were cut off: %w", s.addr, err), s.server.Close())
	}
	if s.done != nil {
		<-s.done
	}
	return err
}

// ServeHTTP answers one relay request.
func (s *httpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := &servicetypes.RelayRequest{}
	response, err := s.serveRelay(w, r, request)
	if err != nil {
		s.log.Debug("relay refused", "error", err, "remote", r.RemoteAddr)
		response = refusal(request, err)
	}
	body, err := response.Marshal()
	if err != nil {
		s.log.Error("relay response cannot be encoded", "error", err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		s.log.Debug("reply not delivered", "error", err, "remote", r.RemoteAddr)
	}
}

// serveRelay reads the request, which the caller keeps for its reply, and serves it.
func (s *httpServer) serveRelay(
	w http.ResponseWriter,
	r *http.Request,
	request *servicetypes.RelayRequest,
) (*servicetypes.RelayResponse, error) {
	arrival := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.maxBody))
	if err != nil {
		return nil, unreadable(err)
	}
	if err := unmarshalRequest(request, body); err != nil {
		return nil, err
	}
	service, err := s.service(request, len(body))
	if err != nil {
		return nil, err
	}
	target, err := target(service, r.Header.Get(rpcTypeHeader))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(r.Context(), arrival.Add(service.RequestTimeout))
	defer cancel()
	forward := func(ctx context.Context) (*answer, error) {
		got, err := s.backends.Do(ctx, target, request.Payload, pocketHeaders(request), service.MaxBodySize)
		if err != nil {
			return nil, err
		}
		return &answer{payload: got.Payload, mined: got.StatusCode < http.StatusInternalServerError}, nil
	}
	return s.pipeline.serve(ctx, service, request, forward)
}

// unmarshalRequest decodes body. An empty body would decode as an empty request.
func unmarshalRequest(request *servicetypes.RelayRequest, body []byte) error {
	if len(body) == 0 {
		return relayer.ErrMalformedRequest.Wrapf("the body is empty")
	}
	if err := request.Unmarshal(body); err != nil {
		*request = servicetypes.RelayRequest{}
		return relayer.ErrMalformedRequest.Wrapf("%w", err)
	}
	return nil
}

// service returns the service that the request names, if it is served here and
// takes requests of that many bytes.
func (s *httpServer) service(request *servicetypes.RelayRequest, bodySize int) (*config.Service, error) {
	header := request.Meta.SessionHeader
	if header == nil {
		return nil, relayer.ErrInvalidRequest.Wrapf("no session header")
	}
	service, ok := s.services[header.ServiceId]
	if !ok {
		return nil, relayer.ErrServiceNotConfigured.Wrapf("service %q", header.ServiceId)
	}
	if int64(bodySize) > service.MaxBodySize {
		return nil, relayer.ErrBodyTooLarge.Wrapf("service %q takes %d bytes", service.ID, service.MaxBodySize)
	}
	return service, nil
}

// target returns the backend for the value of an Rpc-Type header: the number of
// an RPC type, or nothing for the default backend.
func target(service *config.Service, rpcType string) (*config.Backend, error) {
	number := 0
	if rpcType != "" {
		var err error
		if number, err = strconv.Atoi(rpcType); err != nil {
			return nil, relayer.ErrEndpointNotHandled.Wrapf("header %s: %q is not a number", rpcTypeHeader, rpcType)
		}
	}
	if _, known := sharedtypes.RPCType_name[int32(number)]; !known {
		return nil, relayer.ErrEndpointNotHandled.Wrapf("header %s: %d is not an RPC type", rpcTypeHeader, number)
	}
	target, ok := service.Backend(sharedtypes.RPCType(number))
	if !ok {
		return nil, relayer.ErrEndpointNotHandled.Wrapf("service %q has no backend for RPC type %d", service.ID, number)
	}
	return target, nil
}

// unreadable says why a request's body could not be read.
func unreadable(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return relayer.ErrBodyTooLarge.Wrapf("%d bytes are allowed", tooLarge.Limit)
	}
	return relayer.ErrMalformedRequest.Wrapf("the body ended early")
}

// pocketHeaders returns the headers by which a service learns of the relay.
func pocketHeaders(request *servicetypes.RelayRequest) http.Header {
	session := request.Meta.SessionHeader
	header := make(http.Header, 6)
	header.Set("Pocket-Supplier", request.Meta.SupplierOperatorAddress)
	header.Set("Pocket-Service", session.ServiceId)
	header.Set("Pocket-Session-Id", session.SessionId)
	header.Set("Pocket-Application", session.ApplicationAddress)
	header.Set("Pocket-Session-Start-Height", strconv.FormatInt(session.SessionStartBlockHeight, 10))
	header.Set("Pocket-Session-End-Height", strconv.FormatInt(session.SessionEndBlockHeight, 10))
	return header
}

// refusal returns the reply to a relay that is not served: no signature, and the
// reason both as a RelayMinerError and as the payload.
func refusal(request *servicetypes.RelayRequest, err error) *servicetypes.RelayResponse {
	minerError := relayer.RelayMinerError(err)
	header := request.Meta.SessionHeader
	if header == nil {
		header = &sessiontypes.SessionHeader{ServiceId: "unknown_service_id"}
	}
	return &servicetypes.RelayResponse{
		Meta:            servicetypes.RelayResponseMetadata{SessionHeader: header},
		Payload:         []byte(minerError.Message),
		RelayMinerError: minerError,
	}
}
