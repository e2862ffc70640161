package proxy

import (
	"context"
	"net/http"
	"strconv"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

const (
	// rpcTypeHeader carries the number of a sharedtypes.RPCType, by which a
	// gateway chooses among a service's backends.
	rpcTypeHeader = "Rpc-Type"
	// maxSessionHeader and maxAddress bound in bytes what a request says about
	// itself: errors repeat it. Real session headers have some 200 bytes,
	// addresses 43.
	maxSessionHeader = 1024
	maxAddress       = 128
)

// ServeHTTP answers one relay request.
func (s *httpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrival := time.Now()
	leave, err := s.enter(w, r, arrival)
	defer leave()
	source := s.ration.reader(http.MaxBytesReader(w, r.Body, s.maxBody))
	defer source.release() // a reply that is not yet received is held as well
	request := &servicetypes.RelayRequest{}
	var response *servicetypes.RelayResponse
	if err == nil {
		response, err = s.serveRelay(w, r, arrival, source, request)
	}
	status := http.StatusOK
	if err == nil {
		s.served.Add(1)
	} else {
		s.report(r, request, err)
		status, response = statusOf(err), refusal(request, err)
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
	}
	s.reply(w, r, response, status)
}

// enter counts a relay until leave is called, and limits the time for its body, also
// for one that is not read here: net/http reads the rest before it replies. It returns
// an error if there is too much to do to begin with the relay. A caller who lets even
// such refusals wait to be received is not replied to.
func (s *httpServer) enter(w http.ResponseWriter, r *http.Request, arrival time.Time) (leave func(), err error) {
	network := networkOf(r.RemoteAddr)
	landed, let := s.flights.begin(), s.relays.enter(network)
	s.pipeline.inFlight.Add(1)
	leave = func() {
		s.pipeline.inFlight.Add(-1)
		if let {
			s.relays.leave(network)
		}
		landed()
	}
	if !let && s.flights.number() > 2*s.relays.most {
		leave()
		panic(http.ErrAbortHandler)
	}
	if err := http.NewResponseController(w).SetReadDeadline(s.bodyDeadline(arrival)); err != nil {
		return leave, relayer.ErrInternal.Wrapf("limit the time for the body: %w", err)
	}
	if !let {
		return leave, relayer.ErrRequestLimit.Wrapf("too many relays at a time (%d, half of them of one network)", s.relays.most)
	}
	return leave, s.pipeline.congested()
}

// report tells the operator that a relay was refused.
func (s *httpServer) report(r *http.Request, request *servicetypes.RelayRequest, err error) {
	header := request.Meta.SessionHeader
	s.log.Debug("relay refused", "error", err, causeOf(err),
		"supplier", shorten(request.Meta.SupplierOperatorAddress),
		"session_id", shorten(header.GetSessionId()), "remote", r.RemoteAddr)
	service := header.GetServiceId()
	s.pipeline.refused(request.Meta.SupplierOperatorAddress, service, err)
	if s.services[service] == nil {
		service = ""
	}
	s.troubles.report(time.Now(), service, err)
}

// shorten cuts what a stranger calls an address or id to the length of one.
func shorten(id string) string { return id[:min(len(id), maxAddress)] }

// reply sends the response with the HTTP status.
func (s *httpServer) reply(w http.ResponseWriter, r *http.Request, response *servicetypes.RelayResponse, status int) {
	encoded := s.buffers.Get()
	size := response.Size()
	encoded.Grow(size)
	body := encoded.AvailableBuffer()[:size]
	if _, err := response.MarshalToSizedBuffer(body); err != nil {
		s.log.Error("relay response cannot be encoded", "error", err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	control := http.NewResponseController(w)
	err := control.SetWriteDeadline(time.Now().Add(replyTime + time.Duration(size/leastRate)*time.Second))
	if err == nil {
		w.WriteHeader(status)
		_, err = w.Write(body)
	}
	if err == nil && response.RelayMinerError != nil && r.ProtoMajor == 2 {
		// A refusal that waits for its stream to have room is counted until it is sent.
		err = control.Flush()
	}
	if err != nil {
		// net/http may still be sending the bytes: the buffer is not lent again.
		s.log.Debug("reply not delivered", "error", err, "remote", r.RemoteAddr)
		return
	}
	s.buffers.Put(encoded)
}

// serveRelay reads the request, which the caller keeps for its reply, and serves it.
func (s *httpServer) serveRelay(
	w http.ResponseWriter,
	r *http.Request,
	arrival time.Time,
	source *rationed,
	request *servicetypes.RelayRequest,
) (response *servicetypes.RelayResponse, err error) {
	defer func() {
		if value := recover(); value != nil {
			response, err = nil, s.panicked(async.NewPanicError(value))
		}
	}()
	size, err := s.readRequest(w, r, source, request)
	if err != nil {
		return nil, err
	}
	service, err := s.service(request, size)
	if err != nil {
		return nil, err
	}
	target, err := target(service, r.Header.Get(rpcTypeHeader))
	if err != nil {
		return nil, err
	}
	ctx := auth.WithCaller(r.Context(), callerOf(r.RemoteAddr))
	return s.pipeline.serveOnce(ctx, arrival.Add(service.RequestTimeout), service, request,
		s.forwarder(service, target, request, source))
}

// readRequest reads the request from the body and returns how many bytes that has.
func (s *httpServer) readRequest(
	w http.ResponseWriter,
	r *http.Request,
	source *rationed,
	request *servicetypes.RelayRequest,
) (int, error) {
	body := s.buffers.Get()
	defer s.buffers.Put(body) // a decoded request is a copy
	if err := s.readBody(w, r, source, body); err != nil {
		return 0, err
	}
	return body.Len(), unmarshalRequest(request, body.Bytes())
}

// forwarder has the relay's payload answered by the target. The bytes of the answer
// are taken from the ration of the request.
func (s *httpServer) forwarder(
	service *config.Service,
	target *config.Backend,
	request *servicetypes.RelayRequest,
	rationed *rationed,
) forwarder {
	return func(ctx context.Context) (*answer, error) {
		var headers http.Header
		if target.ForwardPocketHeaders {
			headers = pocketHeaders(request)
		}
		got, err := s.backends.Do(ctx, target, request.Payload, headers, backend.Limits{
			Answer:   service.MaxResponseSize,
			Inflated: service.MaxInflatedSize,
			Hold:     rationed.hold,
		})
		if err != nil {
			return nil, err
		}
		return &answer{payload: got.Payload, mined: got.StatusCode < http.StatusInternalServerError}, nil
	}
}

// panicked reports a panic, which is a mistake in the program and costs its own
// relay only.
func (s *httpServer) panicked(err *async.PanicError) error {
	s.log.Error("panic while serving a relay",
		"error", err, "panics", s.panics.Add(1), "stack", string(err.Stack))
	return relayer.ErrInternal.Wrapf("%w", err)
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
	switch {
	case header == nil:
		return nil, relayer.ErrInvalidRequest.Wrapf("no session header")
	case header.Size() > maxSessionHeader:
		return nil, relayer.ErrInvalidRequest.Wrapf("session header of %d bytes", header.Size())
	case len(request.Meta.SupplierOperatorAddress) > maxAddress:
		return nil, relayer.ErrInvalidRequest.Wrapf("supplier address of %d bytes",
			len(request.Meta.SupplierOperatorAddress))
	}
	service, ok := s.services[header.ServiceId]
	if !ok {
		return nil, relayer.ErrServiceNotConfigured.Wrapf("service %.80q", header.ServiceId)
	}
	if int64(bodySize) > service.MaxBodySize {
		return nil, tooLarge(service.MaxBodySize)
	}
	return service, nil
}

// target returns the backend for the value of an Rpc-Type header: the number of
// an RPC type, or nothing for the default backend.
func target(service *config.Service, rpcType string) (*config.Backend, error) {
	var number int64
	if rpcType != "" {
		var err error
		if number, err = strconv.ParseInt(rpcType, 10, 32); err != nil {
			return nil, relayer.ErrEndpointNotHandled.Wrapf("header %s: %.20q is not a number", rpcTypeHeader, rpcType)
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
