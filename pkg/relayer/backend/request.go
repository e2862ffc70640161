package backend

import (
	"bytes"
	"context"
	"net/http"
	"net/textproto"
	"strings"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"golang.org/x/net/http/httpguts"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// pocketHeaderPrefix begins the names of the headers by which the relay miner
// tells a service about the relay.
const pocketHeaderPrefix = "Pocket-"

// connectionHeaders concern one connection (RFC 9110, section 7.6.1).
var connectionHeaders = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// messageHeaders of a request describe how it is sent. They are computed anew:
// the body has arrived already, and the host is the service's own.
var messageHeaders = []string{"Content-Length", "Expect", "Host"}

// buildRequest returns the request to the target for an encoded POKTHTTPRequest.
func (h *HTTP) buildRequest(
	ctx context.Context,
	target *config.Backend,
	payload []byte,
	pocketHeaders http.Header,
	maxInflated int64,
) (*http.Request, error) {
	if scheme := target.URL.Scheme; scheme != "http" && scheme != "https" {
		return nil, relayer.ErrUnsupportedTransport.Wrapf("the service's backend is not an HTTP one")
	}
	asked, err := sdktypes.DeserializeHTTPRequest(payload)
	if err != nil {
		return nil, relayer.ErrMalformedRequest.Wrapf("payload is not a POKTHTTPRequest: %w", err)
	}
	if err := checkMethod(asked.Method); err != nil {
		return nil, err
	}
	address, err := joinURL(target.URL, asked.Url)
	if err != nil {
		return nil, err
	}
	// The reader is of a kind that gives the request its content length, and
	// lets it be sent again if a kept connection turns out to be closed.
	request, err := http.NewRequestWithContext(ctx, asked.Method, "", bytes.NewReader(asked.BodyBz))
	if err != nil {
		return nil, relayer.ErrMalformedRequest.Wrapf("method %.40q is not valid", asked.Method)
	}
	request.URL, request.Host = address, address.Host
	if err := copyHeaders(request.Header, asked); err != nil {
		return nil, err
	}
	if err := h.measure(ctx, asked.BodyBz, request.Header["Content-Encoding"], maxInflated); err != nil {
		return nil, err
	}
	if target.ForwardPocketHeaders {
		for name, values := range pocketHeaders {
			request.Header[name] = values
		}
	}
	setOperatorHeaders(request, target)
	return request, nil
}

// checkMethod refuses the methods that are not questions to a service: CONNECT
// asks for a tunnel, and the answer to TRACE repeats the operator's credentials
// (RFC 9110, section 9.3.8).
func checkMethod(method string) error {
	if strings.EqualFold(method, http.MethodConnect) || strings.EqualFold(method, http.MethodTrace) {
		return relayer.ErrMalformedRequest.Wrapf("method %s is not relayed", strings.ToUpper(method))
	}
	return nil
}

// copyHeaders copies the caller's headers but those that are not the caller's to
// set.
func copyHeaders(into http.Header, asked *sdktypes.POKTHTTPRequest) error {
	for name, header := range asked.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return relayer.ErrMalformedRequest.Wrapf("header name %.40q is not valid", name)
		}
		if header == nil || reserved(name) {
			continue
		}
		for _, value := range header.Values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return relayer.ErrMalformedRequest.Wrapf("value of header %.40q is not valid", name)
			}
			into.Add(name, value)
		}
	}
	dropConnectionHeaders(into)
	for _, name := range messageHeaders {
		into.Del(name)
	}
	if _, set := into["User-Agent"]; !set {
		into["User-Agent"] = nil // otherwise net/http would name itself
	}
	return nil
}

// reserved says whether a header tells about the relay.
func reserved(name string) bool { return strings.HasPrefix(asRead(name), pocketHeaderPrefix) }

// asRead returns the name of the header that a service may take one for: those that
// read headers as environment variables do not tell "_" from "-".
func asRead(name string) string {
	return textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// setOperatorHeaders sets what the operator has configured for the target,
// whatever the caller sent under those names.
func setOperatorHeaders(request *http.Request, target *config.Backend) {
	if auth := target.Authentication; auth != nil {
		request.SetBasicAuth(auth.Username, auth.Password.Reveal())
	}
	for name := range target.Headers {
		for sent := range request.Header {
			if asRead(sent) == asRead(name) {
				delete(request.Header, sent)
			}
		}
	}
	for name, value := range target.Headers {
		if strings.EqualFold(name, "Host") {
			request.Host = value.Reveal()
			continue
		}
		request.Header.Set(name, value.Reveal())
	}
}

// dropConnectionHeaders removes the headers that concern one connection,
// including those that the Connection header names.
func dropConnectionHeaders(header http.Header) {
	for _, value := range header["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			header.Del(textproto.TrimString(name))
		}
	}
	for _, name := range connectionHeaders {
		header.Del(name)
	}
}
