package proxy

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// brokenListener cannot accept.
type brokenListener struct{ net.Listener }

var errBroken = errors.New("accept: too many open files")

func (brokenListener) Accept() (net.Conn, error) { return nil, errBroken }
func (brokenListener) Close() error              { return nil }
func (brokenListener) Addr() net.Addr            { return &net.TCPAddr{} }

func TestServer_ThatEndsByItselfIsToldOf(t *testing.T) {
	p := silentPipeline()
	told := make(chan error, 1)
	p.failed = func(err error) { told <- err }
	s := newHTTPServer(config.Listener{Addr: "127.0.0.1:1"}, 100, p, nil, newRation(0), slog.New(slog.DiscardHandler))
	s.done = make(chan struct{})
	s.accept(brokenListener{})
	if err := <-told; !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("told of %v", err)
	}
}
