package backend_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdktypes "github.com/pokt-network/shannon-sdk/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

func TestHTTP_RequestTargetArrivesAsAsked(t *testing.T) {
	s := serve(t, ok)
	for _, c := range []struct{ base, asked, want string }{
		{"", "", "/"},
		{"", "/", "/"},
		{"", "/a/b", "/a/b"},
		{"", "a/b", "/a/b"},
		{"", "/a//b", "/a//b"},
		{"", "//host/path", "//host/path"},
		{"", "//", "//"},
		{"", "/a/", "/a/"},
		{"", "/a%2Fb%20c", "/a%2Fb%20c"},
		{"", "/%41%7e", "/%41%7e"},
		{"", "/a%2fb c", "/a%2fb%20c"},
		{"", "/a:b/c;d=1,2/e@f", "/a:b/c;d=1,2/e@f"},
		{"", "/ü", "/%C3%BC"},
		{"", "/...", "/..."},
		{"", "/a.", "/a."},
		{"", "/%252e%252e/a", "/%252e%252e/a"},
		{"", "*", "/*"},
		{"", "http://elsewhere:1/path?q=1", "/path?q=1"},
		{"", "https://user:word@elsewhere", "/"},
		{"", "/a?b=2&a=1&b=%20+&c", "/a?b=2&a=1&b=%20+&c"},
		{"", "/a?", "/a?"},
		{"", "?a=1", "/?a=1"},
		{"", "/a?b=c d", "/a?b=c%20d"},
		{"", "/a?b=/../c", "/a?b=/../c"},
		{"", "/a#fragment", "/a"},
		{"", "/a?b#c?d", "/a?b"},
		{"/", "", "/"},
		{"/", "/foo", "/foo"},
		{"/v1/key", "", "/v1/key"},
		{"/v1/key", "/", "/v1/key"},
		{"/v1/key", "/foo", "/v1/key/foo"},
		{"/v1/key", "/foo/", "/v1/key/foo/"},
		{"/v1/key", "//foo", "/v1/key//foo"},
		{"/v1/key", "//", "/v1/key//"},
		{"/v1/key/", "", "/v1/key/"},
		{"/v1/key/", "/", "/v1/key/"},
		{"/v1/key/", "/foo", "/v1/key/foo"},
		{"/v1/a%2Fb", "/foo", "/v1/a%2Fb/foo"},
		{"?key=1&a=%20", "/foo", "/foo?key=1&a=%20"},
		{"/v1?key=1", "/foo?a=b", "/v1/foo?key=1&a=b"},
		{"/v1?key=1", "/?a=b", "/v1?key=1&a=b"},
	} {
		t.Run(c.base+" + "+c.asked, func(t *testing.T) {
			to := target(t, s.URL.String()+c.base)
			ask(t, to, get(c.asked))
			got := s.next(t)
			if got.RequestURI != c.want {
				t.Errorf("%q arrived, want %q", got.RequestURI, c.want)
			}
			if got.Host != s.URL.Host {
				t.Errorf("host %q arrived, want %q", got.Host, s.URL.Host)
			}
		})
	}
}

func TestHTTP_MethodAndBodyArriveAsAsked(t *testing.T) {
	s := serve(t, ok)
	body := []byte("{\"id\":1}\x00\xff")
	for _, c := range []struct {
		method, want string
		body         []byte
		length       int64
	}{
		{"POST", "POST", body, int64(len(body))},
		{"POST", "POST", nil, 0},
		{"PUT", "PUT", body, int64(len(body))},
		{"PATCH", "PATCH", body, int64(len(body))},
		{"DELETE", "DELETE", body, int64(len(body))},
		{"GET", "GET", body, int64(len(body))},
		{"HEAD", "HEAD", nil, 0},
		{"OPTIONS", "OPTIONS", nil, 0},
		{"M-SEARCH", "M-SEARCH", nil, 0},
		{"", "GET", nil, 0},
	} {
		t.Run(c.method, func(t *testing.T) {
			ask(t, s.Backend, &sdktypes.POKTHTTPRequest{Method: c.method, Url: "/", BodyBz: c.body})
			got := s.next(t)
			if got.Method != c.want || string(got.body) != string(c.body) {
				t.Errorf("%s %q arrived", got.Method, got.body)
			}
			if got.ContentLength != c.length || len(got.TransferEncoding) != 0 {
				t.Errorf("content length %d, transfer encoding %v", got.ContentLength, got.TransferEncoding)
			}
		})
	}
}

func TestHTTP_CallersHeadersArriveExceptThoseOfTheConnection(t *testing.T) {
	s := serve(t, ok)
	request := get("/")
	request.Header = headers(
		"Content-Type: application/json", "x-many: 1", "x-many: 2", "Authorization: Bearer caller",
		"Accept-Encoding: br, gzip", "Cookie: a=b",
		"Connection: close, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
		"Te: trailers", "Trailer: X-End", "Transfer-Encoding: chunked", "Upgrade: websocket",
		"Proxy-Authorization: Basic x", "Content-Length: 99", "Expect: 100-continue", "Host: elsewhere",
	)
	request.Header["X-Nil"] = nil
	ask(t, s.Backend, request)
	got := s.next(t)
	want := http.Header{
		"Content-Type": {"application/json"}, "X-Many": {"1", "2"}, "Authorization": {"Bearer caller"},
		"Accept-Encoding": {"br, gzip"}, "Cookie": {"a=b"},
	}
	equalHeaders(t, got.Header, want)
	if got.Host != s.URL.Host || got.Close || got.ContentLength != 0 {
		t.Errorf("host %q, close %v, content length %d", got.Host, got.Close, got.ContentLength)
	}
}

func TestHTTP_NoHeaderIsAdded(t *testing.T) {
	s := serve(t, ok)
	ask(t, s.Backend, get("/"))
	equalHeaders(t, s.next(t).Header, http.Header{})
}

func TestHTTP_UserAgentOfTheCallerArrives(t *testing.T) {
	s := serve(t, ok)
	request := get("/")
	request.Header = headers("User-Agent: caller/1")
	ask(t, s.Backend, request)
	equalHeaders(t, s.next(t).Header, http.Header{"User-Agent": {"caller/1"}})
}

func TestHTTP_PocketHeadersAreTheRelayMinersOnly(t *testing.T) {
	s := serve(t, ok)
	request := get("/")
	request.Header = headers("Pocket-Supplier: spoofed", "pocket-session-id: spoofed",
		"POCKET_SERVICE: spoofed", "Pocket-Anything: spoofed", "X-Pocket: kept")
	real := http.Header{"Pocket-Supplier": {"pokt1supplier"}, "Pocket-Service": {"eth"}}
	for _, c := range []struct {
		name    string
		forward bool
		want    http.Header
	}{
		{"not forwarded", false, http.Header{"X-Pocket": {"kept"}}},
		{"forwarded", true, http.Header{"X-Pocket": {"kept"}, "Pocket-Supplier": {"pokt1supplier"}, "Pocket-Service": {"eth"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := *s.Backend
			to.ForwardPocketHeaders = c.forward
			if _, err := client(t).Do(bounded(t), &to, encode(t, request), real, limits(maxBody)); err != nil {
				t.Fatal(err)
			}
			equalHeaders(t, s.next(t).Header, c.want)
		})
	}
}

func TestHTTP_OperatorsHeadersReplaceTheCallers(t *testing.T) {
	s := serve(t, ok)
	request := get("/")
	request.Header = headers("Authorization: Bearer caller", "x-api-key: caller", "X-Api-Key: caller too",
		"Connection: X-Api-Key, Authorization")
	for _, c := range []struct {
		name   string
		change func(*config.Backend)
		want   http.Header
		hostIs string
	}{
		{
			name: "basic authentication",
			change: func(b *config.Backend) {
				b.Authentication = &config.Authentication{Username: "user", Password: "word"}
			},
			want: http.Header{"Authorization": {"Basic dXNlcjp3b3Jk"}},
		},
		{
			name: "configured headers",
			change: func(b *config.Backend) {
				b.Headers = map[string]config.Secret{"x-API-key": "operator", "user-agent": "miner"}
			},
			want: http.Header{"X-Api-Key": {"operator"}, "User-Agent": {"miner"}},
		},
		{
			name: "configured header over authentication",
			change: func(b *config.Backend) {
				b.Authentication = &config.Authentication{Username: "user", Password: "word"}
				b.Headers = map[string]config.Secret{"authorization": "Bearer operator"}
			},
			want: http.Header{"Authorization": {"Bearer operator"}},
		},
		{
			name:   "configured host",
			change: func(b *config.Backend) { b.Headers = map[string]config.Secret{"host": "virtual.example"} },
			want:   http.Header{},
			hostIs: "virtual.example",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := *s.Backend
			c.change(&to)
			ask(t, &to, request)
			got := s.next(t)
			equalHeaders(t, got.Header, c.want)
			if c.hostIs != "" && got.Host != c.hostIs {
				t.Errorf("host %q arrived, want %q", got.Host, c.hostIs)
			}
		})
	}
}

func TestHTTP_OperatorsHeadersReplaceThoseThatAreReadAlike(t *testing.T) {
	s := serve(t, ok)
	to := *s.Backend
	to.Headers = map[string]config.Secret{"X-Api-Key": "operator", "x_user_role": "reader"}
	request := get("/")
	request.Header = headers("X_Api_Key: caller", "x-api_key: caller", "X-User-Role: writer", "X-User: caller")
	ask(t, &to, request)
	equalHeaders(t, s.next(t).Header, http.Header{
		"X-Api-Key": {"operator"}, "X_user_role": {"reader"}, "X-User": {"caller"},
	})
}

func TestHTTP_MalformedRequestsDoNotReachTheService(t *testing.T) {
	s := serve(t, ok)
	withHeader := func(line string) []byte {
		request := get("/")
		request.Header = headers(line)
		return encode(t, request)
	}
	long := strings.Repeat("é", 1<<20)
	for _, c := range []struct {
		name    string
		payload []byte
	}{
		{"not protobuf", []byte{0xff}},
		{"method with a space", encode(t, &sdktypes.POKTHTTPRequest{Method: "GET /x"})},
		{"long method", encode(t, &sdktypes.POKTHTTPRequest{Method: long})},
		{"tunnel", encode(t, &sdktypes.POKTHTTPRequest{Method: "CONNECT"})},
		{"echo of credentials", encode(t, &sdktypes.POKTHTTPRequest{Method: "TRACE"})},
		{"header name with a space", withHeader("Pocket-Supplier : x")},
		{"header name with a line break", withHeader("A\r\nB: x")},
		{"empty header name", withHeader(": x")},
		{"header value with a line break", withHeader("A: x\r\nB: y")},
		{"long header name", withHeader(long + ": x")},
		{"dot segments", encode(t, get("/../a"))},
		{"dot segments at the end", encode(t, get("/a/.."))},
		{"dot segment", encode(t, get("/./a"))},
		{"dot segments without a slash", encode(t, get("../a"))},
		{"escaped dot segments", encode(t, get("/%2e%2E/a"))},
		{"escaped slash", encode(t, get("/a%2f..%2fb"))},
		{"backslash", encode(t, get(`/a\..\b`))},
		{"escaped backslash", encode(t, get("/a%5c..%5cb"))},
		{"dot segment with a parameter", encode(t, get("/..;a=b/c"))},
		{"dot segments in an absolute url", encode(t, get("http://elsewhere/../a"))},
		{"broken escape", encode(t, get("/%zz"))},
		{"long url", encode(t, get("/%zz"+long))},
		{"control character in the path", encode(t, get("/a\nb"))},
		{"control character in the query", encode(t, get("/a?b=\r\nX: y"))},
		{"opaque", encode(t, get("mailto:a@b"))},
		{"broken host", encode(t, get("http://[::1"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := client(t).Do(bounded(t), s.Backend, c.payload, nil, limits(maxBody))
			if !errors.Is(err, relayer.ErrMalformedRequest) {
				t.Fatalf("error %v, want %v", err, relayer.ErrMalformedRequest)
			}
			if len(err.Error()) > 500 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			select {
			case got := <-s.requests:
				t.Errorf("%s %s reached the service", got.Method, got.RequestURI)
			default:
			}
		})
	}
}

func TestHTTP_BackendOfAnotherTransportIsRefused(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		_, err := client(t).Do(bounded(t), target(t, scheme+"://127.0.0.1:1"), encode(t, get("/")), nil, limits(maxBody))
		if !errors.Is(err, relayer.ErrUnsupportedTransport) {
			t.Errorf("%s: error %v, want %v", scheme, err, relayer.ErrUnsupportedTransport)
		}
	}
}

func equalHeaders(t *testing.T, got, want http.Header) {
	t.Helper()
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Errorf("header %s: %q, want %q", name, got[name], values)
		}
	}
	for name, values := range got {
		if _, wanted := want[name]; !wanted && name != "Content-Length" {
			t.Errorf("header %s: %q, want none", name, values)
		}
	}
}
