package backend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// line is a way to a server on which the connections that are open can fall silent.
type line struct {
	net.Listener
	to      string
	silence atomic.Int64 // how often they have
	passing sync.WaitGroup
}

// pass passes connections on until the listener is closed.
func (l *line) pass() {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil {
			near.Close()
			continue
		}
		opened := l.silence.Load()
		l.passing.Go(func() { l.copy(far, near, opened) })
		l.passing.Go(func() { l.copy(near, far, opened) })
	}
}

// copy passes on what is sent, and loses it after the line fell silent.
func (l *line) copy(into, from net.Conn, opened int64) {
	defer into.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if l.silence.Load() != opened {
			continue
		}
		if _, err := into.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// behindLine is a service over HTTP/2, a client that trusts it and the line between.
func behindLine(t *testing.T) (*line, *HTTP, *config.Backend) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("asked over %s", r.Proto)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{Listener: listener, to: server.Listener.Addr().String()}
	l.passing.Go(l.pass)
	h := NewHTTP(0, 1)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	h.transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	t.Cleanup(func() {
		h.Close()
		listener.Close()
		server.CloseClientConnections()
		server.Close()
		l.passing.Wait()
	})
	return l, h, &config.Backend{URL: &url.URL{Scheme: "https", Host: listener.Addr().String()}}
}

func TestHTTP_ConnectionOfHTTP2ThatFellSilentDoesNotTakeAllRelays(t *testing.T) {
	l, h, to := behindLine(t)
	if h.transport.HTTP2 == nil {
		t.Fatal("silent connections are kept")
	}
	const faster = 100 // than otherwise, for the test
	h.transport.HTTP2.SendPingTimeout /= faster
	h.transport.HTTP2.PingTimeout /= faster
	payload, err := proto.Marshal(&sdktypes.POKTHTTPRequest{Method: "POST", BodyBz: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		_, err := h.Do(ctx, to, payload, nil, Limits{Answer: 100, Inflated: 100})
		return err
	}
	if err := ask(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	l.silence.Add(1)
	const relayTimeout, most = 200 * time.Millisecond, 20
	lost := 0
	for ; lost < most && ask(relayTimeout) != nil; lost++ {
	}
	if lost == 0 || lost == most {
		t.Errorf("%d relays in a row were lost", lost)
	}
}
