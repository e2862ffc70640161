package backend

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer/buffer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

const (
	// dialTimeout bounds how long a connection to a service may take to be made.
	// Everything else is bounded by the context of the request.
	dialTimeout = 5 * time.Second
	// maxIdle bounds the connections to one service that are kept for later.
	maxIdle = 1024
	// silence is how long nothing may arrive on a connection of HTTP/2 before it is
	// asked for a sign of life, and pingTimeout how long it has for that. Unlike one of
	// HTTP/1.1, it is not given up with a relay that is not answered in time, and would
	// take all others that follow.
	silence, pingTimeout = 10 * time.Second, 5 * time.Second
	// maxAnswerHeader bounds the bytes of the headers of an answer.
	maxAnswerHeader = 1 << 20
	// firstBuffer bounds the memory in bytes that is taken for an answer before
	// its bytes arrive, whatever length the service declares.
	firstBuffer = 1 << 20
)

// HTTP sends requests to services over HTTP and keeps connections to them. It
// may be used concurrently.
type HTTP struct {
	// The transport is used without an http.Client around it, which would read
	// the Location of a redirect and fail if that is not a URL.
	transport *http.Transport
	bodies    buffer.Pool
	bound     bound
	// measuring has an entry for each compressed body that is being measured, which can
	// take maxEncodings windows of 16 MiB whatever its size. There is one for each core:
	// more would not be faster.
	measuring chan struct{}
}

// NewHTTP returns a client that can have some maxConnections connections to so many
// services together; 0 connections are without a limit.
func NewHTTP(maxConnections, services int) *HTTP {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	h := &HTTP{measuring: make(chan struct{}, async.Cores()), transport: &http.Transport{
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: dialTimeout,
		// There is no limit for all hosts: to keep it, net/http closes a connection
		// whose last answer may not have been taken yet.
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxAnswerHeader,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: pingTimeout},
		// The caller's Accept-Encoding is passed on and the answer's bytes
		// are signed as the service sent them.
		DisableCompression: true,
	}}
	if maxConnections > 0 {
		// A connection is either used or kept for later, as a quarter can be.
		services = max(1, services)
		idle := max(1, min(maxIdle, maxConnections/4/services))
		h.transport.MaxIdleConnsPerHost = idle
		h.bound.most = int64(max(1, maxConnections-idle*services))
		h.bound.each = h.bound.most
		if services > 1 {
			h.bound.each = max(1, h.bound.most/2)
		}
		// Those that are being made count: a request can have found another meanwhile.
		h.transport.MaxConnsPerHost = int(h.bound.each)
	}
	return h
}

// Close drops the connections that are idle, and each other one when its request
// is done.
func (h *HTTP) Close() { h.transport.CloseIdleConnections() }

// Answer is what a service answered.
type Answer struct {
	// Payload is the encoded POKTHTTPResponse.
	Payload []byte
	// StatusCode is the HTTP status of the service's answer.
	StatusCode int
}

// Limits are what one relay may take.
type Limits struct {
	// Answer is the most bytes that the body of an answer may have.
	Answer int64
	// Inflated is the most bytes to which a compressed body of a request may grow.
	Inflated int64
	// Hold is called as bytes of an answer arrive, and refuses them with an error,
	// which should wrap relayer.ErrRequestLimit. Nil refuses none.
	Hold func(bytes int64) error
}

// Do has the encoded POKTHTTPRequest in payload answered by the target.
// pocketHeaders are the Pocket-* headers of the relay, which are sent if the
// target wants them. Only ctx bounds the time.
//
// Errors carry one of the reasons relayer.ErrMalformedRequest, ErrBodyTooLarge,
// ErrUnsupportedTransport, ErrTimeout, ErrResponseTooLarge, ErrRequestLimit and
// ErrInternal; none
// of their texts tells where the service is. If the service was asked and gave
// no answer the error is a *PrivateError, whose Cause does.
func (h *HTTP) Do(
	ctx context.Context,
	target *config.Backend,
	payload []byte,
	pocketHeaders http.Header,
	limits Limits,
) (*Answer, error) {
	request, err := h.buildRequest(ctx, target, payload, pocketHeaders, limits.Inflated)
	if err != nil {
		return nil, err
	}
	leave, err := h.bound.enter(target.URL.Host)
	if err != nil {
		return nil, err
	}
	defer leave()
	response, err := h.transport.RoundTrip(request)
	if err != nil {
		return nil, unanswered(ctx, target, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusSwitchingProtocols {
		// The connection is not HTTP any more, and ctx does not end reads from it.
		return nil, unanswered(ctx, target, errProtocolSwitched)
	}
	body := h.bodies.Get()
	defer h.bodies.Put(body) // its bytes are copied into the encoding
	if err := readBody(response, limits, body); err != nil {
		return nil, unanswered(ctx, target, err)
	}
	encoded, err := encodeAnswer(response, body.Bytes())
	if err != nil {
		return nil, unanswered(ctx, target, err)
	}
	return &Answer{Payload: encoded, StatusCode: response.StatusCode}, nil
}
