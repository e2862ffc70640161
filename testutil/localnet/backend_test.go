package localnet_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

func newBackend(t *testing.T) *localnet.Backend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	backend := localnet.NewBackend(listener, 0)
	t.Cleanup(func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	return backend
}

func request(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test", "yes")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(answer))
}

func TestBackend_Answers(t *testing.T) {
	backend := newBackend(t)
	tests := []struct {
		name, method, path, body string
		status                   int
		answer                   string
	}{
		{"call", "POST", "/", `{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber"}`, 200, `{"jsonrpc":"2.0","id":7,"result":"0x1234"}`},
		{"call with a text id", "POST", "/v1/key", `{"id":"a","method":"eth_chainId"}`, 200, `{"jsonrpc":"2.0","id":"a","result":"0x7a69"}`},
		{"unknown method", "POST", "/", `{"id":1,"method":"foo"}`, 200, `{"jsonrpc":"2.0","id":1,"result":"foo"}`},
		{"batch", "POST", "/", ` [{"id":1,"method":"foo"},{"id":2,"method":"bar"}]`, 200, `[{"jsonrpc":"2.0","id":1,"result":"foo"},{"jsonrpc":"2.0","id":2,"result":"bar"}]`},
		{"no method", "POST", "/", `{"id":1}`, 200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"the call has no method"}}`},
		{"get", "GET", "/health", "", 200, `{"path":"/health"}`},
		{"head", "HEAD", "/", "", 200, ""},
		{"status", "POST", "/status/503", "", 503, `{"status":503}`},
		{"status without a body", "GET", "/status/204", "", 204, ""},
		{"no such status", "GET", "/status/1000", "", 400, `{"error":"status must be 200 to 599"}`},
		{"bytes", "GET", "/bytes/3", "", 200, "\x00\x00\x00"},
		{"too many bytes", "GET", "/bytes/99999999999", "", 400, `{"error":"bytes must be 0 to 67108864"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, answer := request(t, test.method, backend.URL()+test.path, test.body)
			if status != test.status || answer != test.answer {
				t.Errorf("got %d %s, want %d %s", status, answer, test.status, test.answer)
			}
		})
	}
	if got := backend.Requests(); got != int64(len(tests)) {
		t.Errorf("counted %d requests, want %d", got, len(tests))
	}
}

func TestBackend_EchoShowsTheRequest(t *testing.T) {
	backend := newBackend(t)
	_, answer := request(t, "PUT", backend.URL()+"/echo/a/b?x=1&x=2", "body")
	var echo localnet.Echo
	if err := json.Unmarshal([]byte(answer), &echo); err != nil {
		t.Fatal(err)
	}
	if echo.Method != "PUT" || echo.Path != "/echo/a/b" || echo.Query != "x=1&x=2" || echo.Body != "body" || echo.Headers.Get("X-Test") != "yes" {
		t.Errorf("echo is %+v", echo)
	}
}

func TestBackend_WaitsForTheDelay(t *testing.T) {
	backend := newBackend(t)
	backend.SetDelay(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, backend.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
		}
		failed <- err
	}()
	limit := time.After(10 * time.Second)
	for backend.Requests() == 0 { // the request has arrived and is not answered
		select {
		case err := <-failed:
			t.Fatalf("answered at once: %v", err)
		case <-limit:
			t.Fatal("the request does not arrive")
		default:
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want no answer before the delay is over", err)
	}
}
