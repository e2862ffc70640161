package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// listening is a server that refuses every relay behind its own listener.
func listening(t *testing.T, maxConnections int, change func(*httpServer)) (*httpServer, string) {
	t.Helper()
	services := backend.NewHTTP(0, 1)
	t.Cleanup(services.Close)
	s := newHTTPServer(config.Listener{Addr: "127.0.0.1:0", Services: []*config.Service{{
		ID: "svc", RequestTimeout: 10 * time.Second, MaxBodySize: 20 << 20,
	}}}, maxConnections, silentPipeline(), services, newRation(0), slog.New(slog.DiscardHandler))
	change(s)
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	s.done = make(chan struct{})
	go s.accept(s.bounded(listener)) // awaited by Stop
	t.Cleanup(func() {
		s.server.Close()
		<-s.done
	})
	return s, listener.Addr().String()
}

func unchanged(*httpServer) {}

// call opens a connection and sends the bytes.
func call(t *testing.T, address, send string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, send); err != nil {
		t.Fatal(err)
	}
	return conn
}

const emptyRelay = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"

// status returns the status of the next answer on the connection.
func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func TestServer_ConnectionBeyondTheBoundIsRefusedAtOnce(t *testing.T) {
	s, address := listening(t, 4, unchanged) // two of one network
	first := call(t, address, emptyRelay)
	second := call(t, address, emptyRelay)
	for _, conn := range []net.Conn{first, second} {
		if got := status(t, conn); got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
	}
	if got := status(t, call(t, address, "")); got != http.StatusServiceUnavailable {
		t.Errorf("status %d of one too many", got)
	}
	if n := s.connections.refused.Load(); n != 1 {
		t.Errorf("%d connections were refused, want 1", n)
	}
	// The others go on, and who leaves makes room.
	if _, err := io.WriteString(second, emptyRelay); err != nil {
		t.Fatal(err)
	}
	if got := status(t, second); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
	first.Close()
	for s.connections.number() == 2 {
		runtime.Gosched()
	}
	if got := status(t, call(t, address, emptyRelay)); got != http.StatusOK {
		t.Errorf("status %d after one has left", got)
	}
}

func TestConnections_OneNetworkLeavesRoomForOthers(t *testing.T) {
	c := newConnections(10)
	one, other := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/48")
	enter := func(network netip.Prefix, times, want int) {
		t.Helper()
		let := 0
		for range times {
			if c.enter(network) {
				let++
			}
		}
		if let != want {
			t.Errorf("%d of %s were let in, want %d", let, network, want)
		}
	}
	enter(one, 10, 5)
	enter(other, 4, 4)
	enter(netip.Prefix{}, 4, 1) // all together
	for range 5 {
		c.leave(one)
	}
	enter(other, 10, 1)
	if n := len(c.networks); n != 2 {
		t.Errorf("%d networks are remembered, want 2", n)
	}
}

// RELAY_CONNECTIONS=9000 needs 18,000 file descriptors.
func TestServer_ManySlowConnectionsTakeLittleMemory(t *testing.T) {
	many := 500
	if long := os.Getenv("RELAY_CONNECTIONS"); long != "" {
		var err error
		if many, err = strconv.Atoi(long); err != nil {
			t.Fatal(err)
		}
	}
	s, address := listening(t, 2*many+2, unchanged)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range many {
		call(t, address, "POST / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
	}
	for s.connections.number() < many {
		runtime.Gosched()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc+after.StackInuse) - int64(before.HeapAlloc+before.StackInuse)
	t.Logf("%d connections hold %d KiB each", many, held/int64(many)>>10)
	if each := held / int64(many); each > 64<<10 {
		t.Errorf("%d bytes are held for a connection that sends headers slowly", each)
	}
	if got := status(t, call(t, address, emptyRelay)); got != http.StatusOK {
		t.Errorf("status %d beside them", got)
	}
}

func TestServer_SlowHeadersEndTheConnection(t *testing.T) {
	_, address := listening(t, 10, func(s *httpServer) {
		if s.server.ReadHeaderTimeout <= 0 || s.server.ReadHeaderTimeout > 10*time.Second || s.server.IdleTimeout <= 0 {
			t.Errorf("headers may take %v, idle connections last %v", s.server.ReadHeaderTimeout, s.server.IdleTimeout)
		}
		s.server.ReadHeaderTimeout = 20 * time.Millisecond
	})
	conn := call(t, address, "POST / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not ended: %v", err)
	}
}

func TestServer_HeaderFloodIsRefused(t *testing.T) {
	_, address := listening(t, 10, func(s *httpServer) {
		s.pipeline.refused = func(_, _ string, reason error) { t.Errorf("a request got to the pipeline: %v", reason) }
	})
	for name, headers := range map[string]string{
		"one long":   "X-Flood: " + strings.Repeat("x", 200<<10) + "\r\n",
		"many short": strings.Repeat("X-Flood: x\r\n", 20<<10),
	} {
		t.Run(name, func(t *testing.T) {
			conn := call(t, address, "")
			go func() { // the server may close before it has read all; ends with the connection
				_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\n%s\r\n", headers)
			}()
			// The answer is lost where the rest of the headers meets a closed socket.
			answer, err := io.ReadAll(conn)
			if err != nil && !errors.Is(err, syscall.ECONNRESET) || err == nil && !bytes.Contains(answer, []byte(" 431 ")) {
				t.Errorf("answer %.40q, error %v", answer, err)
			}
		})
	}
}

// However long a service may take for its answers, a body must arrive at a rate.
func TestServer_BodyHasADeadlineOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		timeout time.Duration
		maxBody int64
		want    time.Duration
	}{
		{5 * time.Second, 20 << 20, 5 * time.Second},
		{time.Hour, 20 << 20, 90 * time.Second},
		{time.Hour, 1 << 10, 10 * time.Second},
	} {
		s := &httpServer{timeout: c.timeout, maxBody: c.maxBody}
		now := time.Now()
		if got := s.bodyDeadline(now).Sub(now); got != c.want {
			t.Errorf("timeout %s, largest body %d: %s, want %s", c.timeout, c.maxBody, got, c.want)
		}
	}
}
