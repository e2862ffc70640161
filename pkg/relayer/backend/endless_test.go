package backend_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// endless runs a service that answers with the beginning and then with the rest again
// and again, until nobody listens.
func endless(t *testing.T, beginning, rest string, pause time.Duration) *config.Backend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		listener.Close()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the service is left writing")
		}
	})
	go func() { // awaited by the cleanup
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			t.Errorf("service: %v", err)
		}
		tick := time.NewTicker(max(pause, time.Nanosecond))
		defer tick.Stop()
		for text := beginning; ; text = rest {
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
			<-tick.C
		}
	}()
	return target(t, "http://"+listener.Addr().String())
}

func TestHTTP_EndlessAnswerEndsWithItsTime(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, beginning, rest string
		pause                 time.Duration
	}{
		{"informational answers", "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0},
		{"informational answers now and then", "", "HTTP/1.1 103 Early Hints\r\n\r\n", time.Millisecond},
		{"continue now and then", "", "HTTP/1.1 100 Continue\r\n\r\n", time.Millisecond},
		{"headers now and then", "HTTP/1.1 200 OK\r\n", "X-A: b\r\n", time.Millisecond},
		{"a header line now and then", "HTTP/1.1 200 OK\r\nX-A: ", "b", time.Millisecond},
		{"body now and then", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "x", time.Millisecond},
		{"empty lines", "", "\r\n", 0},
		{"chunks now and then", chunked, "1\r\nx\r\n", time.Millisecond},
		{"chunk extensions", chunked, "1;" + strings.Repeat("x", 1000) + "\r\nx\r\n", 0},
		{"one chunk extension", chunked + "1;", "x", time.Millisecond},
		{"trailers", chunked + "1\r\nx\r\n0\r\n", "X-A: b\r\n", 0},
		{"trailers now and then", chunked + "1\r\nx\r\n0\r\n", "X-A: b\r\n", time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			to := endless(t, c.beginning, c.rest, c.pause)
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			begun := time.Now()
			_, err := client(t).Do(ctx, to, encode(t, get("/")), nil, limits(maxBody))
			if !errors.Is(err, relayer.ErrTimeout) && !errors.Is(err, relayer.ErrInternal) {
				t.Errorf("error %v", err)
			}
			if took := time.Since(begun); took > patience/2 {
				t.Errorf("took %s", took)
			}
		})
	}
}
