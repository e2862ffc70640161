package backend_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	sdktypes "github.com/pokt-network/shannon-sdk/types"

	"github.com/seed52205347/relayminer/pkg/relayer/backend"
)

func TestHTTP_AnyStatusIsAnAnswer(t *testing.T) {
	for _, status := range []int{200, 201, 204, 301, 302, 304, 307, 400, 401, 404, 429, 500, 502, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.Header()["X-Many"] = []string{"1", "2"}
				w.WriteHeader(status)
				if status != 204 && status != 304 {
					fmt.Fprint(w, "body")
				}
			})
			got := ask(t, s.Backend, &sdktypes.POKTHTTPRequest{Method: "POST", Url: "/", BodyBz: []byte("x")})
			if int(got.StatusCode) != status || fmt.Sprint(got.Header["X-Many"].GetValues()) != "[1 2]" {
				t.Errorf("status %d, headers %v", got.StatusCode, got.Header)
			}
			if got.Header["Location"].GetValues()[0] != "/elsewhere" {
				t.Errorf("location %v", got.Header["Location"])
			}
			if n := len(s.requests); n != 1 {
				t.Errorf("%d requests arrived, want 1", n)
			}
		})
	}
}

func TestHTTP_RedirectToNowhereIsAnAnswer(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://[not a url")
		w.WriteHeader(http.StatusFound)
	})
	if got := ask(t, s.Backend, get("/")); got.StatusCode != http.StatusFound {
		t.Errorf("status %d", got.StatusCode)
	}
}

func TestHTTP_CompressedAnswerIsNotTouched(t *testing.T) {
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	fmt.Fprint(z, strings.Repeat("block ", 100))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		if _, err := w.Write(compressed.Bytes()); err != nil {
			t.Error(err)
		}
	})
	for name, request := range map[string]*sdktypes.POKTHTTPRequest{
		"asked for":     {Method: "GET", Header: headers("Accept-Encoding: gzip")},
		"not asked for": {Method: "GET"},
	} {
		got := ask(t, s.Backend, request)
		if !bytes.Equal(got.BodyBz, compressed.Bytes()) || got.Header["Content-Encoding"].GetValues()[0] != "gzip" {
			t.Errorf("%s: %d bytes, headers %v", name, len(got.BodyBz), got.Header)
		}
	}
}

func TestHTTP_AnswerHasNoHeadersOfTheConnection(t *testing.T) {
	to := raw(t, "HTTP/1.1 200 OK\r\nConnection: x-other, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"+
		"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok", false)
	got := ask(t, to, get("/"))
	if len(got.Header) != 2 || got.Header["X-Kept"] == nil || got.Header["Content-Length"] == nil {
		t.Errorf("headers %v, want X-Kept and Content-Length", got.Header)
	}
	if string(got.BodyBz) != "ok" {
		t.Errorf("body %q", got.BodyBz)
	}
}

func TestHTTP_HeaderThatIsNotUTF8CostsNoRelay(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Latin", "caf\xe9")
		w.Header().Set("X-Unicode", "café")
	})
	got := ask(t, s.Backend, get("/"))
	for _, name := range []string{"X-Latin", "X-Unicode"} {
		if value := got.Header[name].GetValues()[0]; value != "café" {
			t.Errorf("%s: %q", name, value)
		}
	}
}

func TestHTTP_AnswerToHeadHasTheLengthOfAnotherAnswer(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5000000000")
	})
	got := ask(t, s.Backend, &sdktypes.POKTHTTPRequest{Method: "HEAD"})
	if got.Header["Content-Length"].GetValues()[0] != "5000000000" || len(got.BodyBz) != 0 {
		t.Errorf("headers %v, %d bytes", got.Header, len(got.BodyBz))
	}
}

func TestHTTP_SameAnswerHasSameEncoding(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		for i := range 30 {
			w.Header().Set(fmt.Sprintf("X-%d", i), "1")
		}
	})
	h := client(t)
	var first *backend.Answer
	for range 20 {
		answer, err := h.Do(bounded(t), s.Backend, encode(t, get("/")), nil, limits(maxBody))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = answer
		}
		if !bytes.Equal(answer.Payload, first.Payload) {
			t.Fatalf("two encodings:\n%x\n%x", first.Payload, answer.Payload)
		}
	}
}

func TestHTTP_ConnectionsAreReused(t *testing.T) {
	var accepted atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", 10_000))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	to, h := target(t, server.URL), client(t)
	for range 50 {
		// The caller's wish to close concerns the caller's connection.
		request := &sdktypes.POKTHTTPRequest{Method: "POST", BodyBz: []byte("x"), Header: headers("Connection: close")}
		if _, err := h.Do(bounded(t), to, encode(t, request), nil, limits(maxBody)); err != nil {
			t.Fatal(err)
		}
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d connections for 50 relays, want 1", n)
	}
}
