package proxy

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// exhausted is a listener without file descriptors that is then closed.
type exhausted struct {
	net.Listener
	errs []error
}

func (l *exhausted) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}

func TestReportingListener_TellsTheOperator(t *testing.T) {
	var log bytes.Buffer
	l := reportingListener{
		&exhausted{errs: []error{errors.New("too many open files"), net.ErrClosed}},
		slog.New(slog.NewTextHandler(&log, nil)),
	}
	for range 2 {
		if _, err := l.Accept(); err == nil {
			t.Fatal("a connection was accepted")
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "too many open files") {
		t.Errorf("log: %s", log.String())
	}
}
