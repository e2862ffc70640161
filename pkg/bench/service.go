package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// Service answers every request with the same bytes, at as little cost as possible.
type Service struct {
	listener net.Listener
	answer   []byte // head and body
	group    *async.Group

	mu    sync.Mutex
	conns map[net.Conn]struct{} // open; nil when closed
}

// acceptPause is the time after which a connection is accepted that could not be.
const acceptPause = 10 * time.Millisecond

// StartService starts a service on a free port of the loopback address whose answers
// are JSON of the given number of bytes, at least 2. The caller must stop it.
func StartService(ctx context.Context, answerBytes int) (*Service, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	s := &Service{
		listener: listener, answer: answerOf(answerBytes), group: async.NewGroup(ctx),
		conns: make(map[net.Conn]struct{}),
	}
	if err := s.group.Go("accept", s.accept); err != nil {
		return nil, err
	}
	return s, nil
}

// answerOf returns a reply whose body is a JSON string of that many bytes.
func answerOf(n int) []byte {
	body := strconv.AppendQuote(nil, string(bytes.Repeat([]byte("a"), max(n-2, 0))))
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
	return append(head, body...)
}

// Address returns host and port.
func (s *Service) Address() string { return s.listener.Addr().String() }

// Stop closes all connections.
func (s *Service) Stop(ctx context.Context) error {
	err := s.listener.Close()
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for conn := range conns {
		_ = conn.Close() // which ends its goroutine
	}
	if stopped := s.group.Stop(ctx); stopped != nil {
		return stopped
	}
	return err
}

func (s *Service) accept(context.Context) error {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // for want of open files, which others will close
			time.Sleep(acceptPause)
			continue
		}
		if !s.keep(conn) {
			_ = conn.Close()
			return nil
		}
		if err := s.group.Go("connection", func(context.Context) error { s.serve(conn); return nil }); err != nil {
			s.drop(conn)
			return nil
		}
	}
}

// keep notes an open connection, unless the service is stopped.
func (s *Service) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *Service) drop(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	_ = conn.Close()
}

// serve answers the requests of one connection until it ends.
func (s *Service) serve(conn net.Conn) {
	defer s.drop(conn)
	reader := bufio.NewReaderSize(conn, headBuffer)
	for {
		h, err := readHead(reader, false)
		if err != nil {
			return
		}
		if _, err := reader.Discard(h.length); err != nil {
			return
		}
		if _, err := conn.Write(s.answer); err != nil || h.close {
			return
		}
	}
}
