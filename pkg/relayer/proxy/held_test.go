package proxy_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
)

// until waits until what is counted is as it should be.
func (f *fixture) until(t *testing.T, what string, reached func(proxy.Stats) bool) proxy.Stats {
	t.Helper()
	counted, ok := f.RelayerProxy.(interface{ Stats() proxy.Stats })
	if !ok {
		t.Fatal("the proxy has no counts")
	}
	for give := time.Now().Add(patience); time.Now().Before(give); runtime.Gosched() {
		if s := counted.Stats(); reached(s) {
			return s
		}
	}
	t.Fatalf("waited in vain for %s: %+v", what, counted.Stats())
	return proxy.Stats{}
}

func TestProxy_AnswerIsHeldUntilItIsReceived(t *testing.T) {
	const size = 32 << 20 // more than sockets hold
	f := start(t, func(w http.ResponseWriter, _ *http.Request) {
		// It fails if the reader has left, which the test would see.
		_, _ = w.Write(make([]byte, size))
	}, func(f *fixture) { f.config.Services[0].MaxResponseSize = size })
	body := marshal(t, relayRequest(t, "svc", "x"))
	conn := f.dial(t)
	if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	got := f.until(t, "the relay to be served", func(s proxy.Stats) bool { return s.Served == 1 })
	if got.InFlight != 1 || got.BodyBytes < size {
		t.Errorf("while the reply waits to be received: %+v", got)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(response); err != nil {
		t.Fatal(err)
	}
	f.until(t, "nothing to be held", func(s proxy.Stats) bool { return s.InFlight == 0 && s.BodyBytes == 0 })
}
