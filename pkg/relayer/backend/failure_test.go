package backend_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// raw runs a service that writes exactly reply to each request and then closes
// the connection, if not told to hold it until the test is over.
func raw(t *testing.T, reply string, hold bool) *config.Backend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(over)
		listener.Close()
		<-ended
	})
	go func() { // awaited by the cleanup
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				t.Errorf("service: %v", err)
			}
			fmt.Fprint(conn, reply)
			if hold {
				<-over
			}
			conn.Close()
		}
	}()
	return target(t, "http://"+listener.Addr().String())
}

func TestHTTP_LimitOfTheAnswer(t *testing.T) {
	const limit = 1000
	for _, c := range []struct {
		name    string
		bytes   int
		chunked bool
		fits    bool
	}{
		{"declared, fits", limit, false, true},
		{"declared, too large", limit + 1, false, false},
		{"chunked, fits", limit, true, true},
		{"chunked, too large", limit + 1, true, false},
		{"chunked, more than is in flight at a time", 20 << 20, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ended := make(chan struct{})
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				defer close(ended)
				if c.chunked {
					w.(http.Flusher).Flush()
				} else {
					w.Header().Set("Content-Length", fmt.Sprint(c.bytes))
				}
				// It fails if the reader has had enough, which is its right.
				_, _ = fmt.Fprint(w, strings.Repeat("x", c.bytes))
			})
			answer, err := client(t).Do(context.Background(), s.Backend, encode(t, get("/")), nil, limits(limit))
			select {
			case <-ended:
			case <-time.After(patience):
				t.Error("the service is left writing")
			}
			if c.fits {
				if err != nil || len(decode(t, answer).BodyBz) != limit {
					t.Fatalf("answer %v, error %v", answer, err)
				}
				return
			}
			if !errors.Is(err, relayer.ErrResponseTooLarge) {
				t.Fatalf("error %v, want %v", err, relayer.ErrResponseTooLarge)
			}
		})
	}
}

func TestHTTP_DeclaredLengthBeyondTheLimitIsNotWaitedFor(t *testing.T) {
	to := raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", true)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := client(t).Do(ctx, to, encode(t, get("/")), nil, limits(1000))
	if !errors.Is(err, relayer.ErrResponseTooLarge) {
		t.Errorf("error %v, want %v", err, relayer.ErrResponseTooLarge)
	}
}

func TestHTTP_SilentServiceTimesOut(t *testing.T) {
	const timeout = 50 * time.Millisecond
	for _, c := range []struct{ name, reply string }{
		{"before the headers", ""},
		{"in the headers", "HTTP/1.1 200 OK\r\nContent-"},
		{"in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := raw(t, c.reply, true)
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			start := time.Now()
			_, err := client(t).Do(ctx, to, encode(t, get("/")), nil, limits(maxBody))
			if !errors.Is(err, relayer.ErrTimeout) {
				t.Errorf("error %v, want %v", err, relayer.ErrTimeout)
			}
			if took := time.Since(start); took > patience/2 {
				t.Errorf("took %s", took)
			}
			private(t, err, to)
		})
	}
}

func TestHTTP_ServiceWithoutAnAnswerIsAnInternalError(t *testing.T) {
	for _, c := range []struct {
		name, reply string
		hold        bool
	}{
		{"hangs up", "", false},
		{"dies in the headers", "HTTP/1.1 200 OK\r\nContent-", false},
		{"dies in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", false},
		{"dies in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", false},
		{"dies between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n", false},
		{"is no web server", "SSH-2.0-OpenSSH_9.6\r\n", false},
		{"endless headers", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("x", 1000)+"\r\n", 1200), false},
		{"switches protocols", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := raw(t, c.reply, c.hold)
			_, err := client(t).Do(bounded(t), to, encode(t, get("/")), nil, limits(maxBody))
			if !errors.Is(err, relayer.ErrInternal) {
				t.Errorf("error %v, want %v", err, relayer.ErrInternal)
			}
			private(t, err, to)
		})
	}
}

func TestHTTP_UnreachableServiceIsNamedToTheOperatorOnly(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := target(t, "http://"+listener.Addr().String()+"/secret")
	listener.Close()
	_, err = client(t).Do(bounded(t), to, encode(t, get("/")), nil, limits(maxBody))
	if !errors.Is(err, relayer.ErrInternal) {
		t.Errorf("error %v, want %v", err, relayer.ErrInternal)
	}
	var opErr *net.OpError
	if !errors.As(err, &opErr) {
		t.Errorf("the operator cannot find out that it is the network: %v", err)
	}
	private(t, err, to)
}

func TestHTTP_CallerWhoLeavesEndsTheRequest(t *testing.T) {
	to := raw(t, "", true)
	ctx, leave := context.WithCancel(bounded(t))
	leaving := time.AfterFunc(20*time.Millisecond, leave)
	defer leaving.Stop()
	_, err := client(t).Do(ctx, to, encode(t, get("/")), nil, limits(maxBody))
	if !errors.Is(err, relayer.ErrInternal) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v because of %v", err, relayer.ErrInternal, context.Canceled)
	}
}

// private checks that the text of err leaves the service's address out and its
// cause does not.
func private(t *testing.T, err error, to *config.Backend) {
	t.Helper()
	var hidden *backend.PrivateError
	if !errors.As(err, &hidden) {
		t.Fatalf("error %v has no private cause", err)
	}
	address := to.URL.Host
	if text := relayer.RelayMinerError(err).Message; strings.Contains(text, address) || strings.Contains(err.Error(), address) {
		t.Errorf("the caller is told the address: %s", text)
	}
	if !strings.Contains(hidden.Cause.Error(), address) || strings.Contains(hidden.Cause.Error(), "secret") {
		t.Errorf("the operator is told: %v", hidden.Cause)
	}
}
