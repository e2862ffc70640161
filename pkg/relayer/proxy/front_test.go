package proxy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
)

// Browsers and load balancers find nothing on the listener of relays: whatever is
// asked there is a relay or is refused.
func TestProxy_ListenerAnswersNothingButRelays(t *testing.T) {
	f := start(t, nil)
	for _, path := range []string{"/", "/health", "/healthz", "/metrics", "/debug/pprof/", "/ready"} {
		for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodHead} {
			request, err := http.NewRequest(method, f.url()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Origin", "https://example.com")
			request.Header.Set("Access-Control-Request-Method", "POST")
			response, err := http1(t).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || method != http.MethodHead && !bytes.Contains(body, []byte(relayer.ErrMalformedRequest.Description)) {
				t.Errorf("%s %s: %q, error %v", method, path, body, err)
			}
			for name := range response.Header {
				if strings.HasPrefix(name, "Access-Control") {
					t.Errorf("%s %s: header %s", method, path, name)
				}
			}
		}
	}
	if n := f.asked.Load() + f.auth.verified.Load(); n != 0 {
		t.Errorf("%d requests went further", n)
	}
}

// What is around a relay is not decompressed, whatever its headers say.
func TestProxy_CompressedRelayIsNotInflated(t *testing.T) {
	f := start(t, nil)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, f.post(t, http1(t), bomb.Bytes(), http.Header{"Content-Encoding": {"gzip"}}), relayer.ErrMalformedRequest)
}

func TestProxy_ResponseLimitIsApartFromTheRequests(t *testing.T) {
	f := start(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(make([]byte, 5000)); err != nil {
			t.Error(err)
		}
	}, func(f *fixture) {
		small := f.config.Services[0]
		small.MaxBodySize, small.MaxResponseSize = 1<<10, 5000
	})
	f.answered(t, f.send(t, http1(t), relayRequest(t, "svc", "x")))
	refused(t, f.send(t, http1(t), relayRequest(t, "svc", strings.Repeat("x", 2000))), relayer.ErrBodyTooLarge)
}

func TestProxy_StatsCountServedRelaysAndConnections(t *testing.T) {
	f := start(t, nil)
	client := http1(t)
	f.answered(t, f.send(t, client, relayRequest(t, "svc", "x")))
	f.answered(t, f.send(t, client, relayRequest(t, "svc", "x")))
	refused(t, f.send(t, client, relayRequest(t, "other", "x")), relayer.ErrServiceNotConfigured)
	counted, ok := f.RelayerProxy.(interface{ Stats() proxy.Stats })
	if !ok {
		t.Fatal("the proxy has no stats")
	}
	got := counted.Stats()
	if got.Served != 2 || got.Connections != 1 {
		t.Errorf("stats %+v", got)
	}
	client.CloseIdleConnections()
}

// The reply's buffer is lent again: a reply must not show what another was.
func TestProxy_RepliesDoNotShareBytes(t *testing.T) {
	f := start(t, nil)
	client := http1(t)
	for i := range 50 {
		body := strings.Repeat(string(rune('a'+i%26)), 1+i*397%5000)
		got, err := f.try(context.Background(), client, bytes.NewReader(marshal(t, relayRequest(t, "svc", body))), nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer := f.answered(t, got); string(answer.BodyBz) != body {
			t.Fatalf("relay %d is answered with %.20q, want %.20q", i, answer.BodyBz, body)
		}
	}
}
