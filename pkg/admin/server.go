package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"time"
)

const (
	// maxWork is the number of requests that are worked on at once. More wait:
	// the processors belong to relays.
	maxWork = 4
	// writeTime is how long a client may take to read what is written at once.
	writeTime = 30 * time.Second

	// graceTime is how long Stop waits for clients to read.
	graceTime = 2 * time.Second

	headerTime     = 5 * time.Second
	idleTime       = time.Minute
	maxHeaderBytes = 16 << 10
)

// Server answers a Client at the socket of a relay miner's home.
type Server struct {
	sessions Sessions
	status   func(ctx context.Context) (*Status, error) // nil if there is none
	control  Controller                                 // nil if there is none
	store    storeInfo
	log      *slog.Logger

	socket *socket
	http   *http.Server
	cancel context.CancelFunc // ends the requests that are worked on
	work   chan struct{}      // has a token for each of them
	served chan error         // receives what serving has ended with

	writeTime time.Duration
}

// Start listens on the socket of home and answers requests about sessions, which
// are those of the store in the directory storeDir. The directory home is created
// if there is none. The caller must call Stop.
//
// It fails with ErrInUse if another process answers there, with ErrPathTooLong,
// and with the error of the system.
func Start(home, storeDir string, sessions Sessions, log *slog.Logger, opts ...Option) (*Server, error) {
	return start(home, storeDir, sessions, log, writeTime, opts...)
}

func start(
	home, storeDir string,
	sessions Sessions,
	log *slog.Logger,
	writeTime time.Duration,
	opts ...Option,
) (*Server, error) {
	storeDir, err := filepath.Abs(storeDir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		sessions: sessions,
		store:    storeInfo{Dir: storeDir},
		log:      log.With("component", "admin"),
		work:     make(chan struct{}, maxWork),
		served:   make(chan error, 1),

		writeTime: writeTime,
	}
	for _, opt := range opts {
		opt(s)
	}
	if s.socket, err = listen(home); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTime,
		// No ReadTimeout: it would end a request that is worked on for longer.
		IdleTimeout:    idleTime,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:    func(net.Listener) context.Context { return ctx },
	}
	// Stop awaits it.
	go func() { s.served <- s.http.Serve(s.socket) }()
	s.log.Info("admin endpoint listens", "socket", s.socket.path)
	return s, nil
}

// Path returns the path of the socket.
func (s *Server) Path() string { return s.socket.path }

// Stop ends the requests that are worked on, removes the socket, and returns when
// nothing is left of either. Clients that do not read get graceTime, or less if
// ctx ends before. It is called once.
func (s *Server) Stop(ctx context.Context) error {
	s.cancel()
	ctx, cancel := context.WithTimeout(ctx, graceTime)
	defer cancel()
	var errs []error
	if s.http.Shutdown(ctx) != nil {
		errs = append(errs, s.http.Close()) // cuts connections off, on which writes then fail
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		errs = append(errs, fmt.Errorf("admin endpoint: %w", served))
	}
	for range maxWork { // each is free when its request has ended, and stays taken
		s.work <- struct{}{}
	}
	return errors.Join(append(errs, s.socket.remove())...)
}

// protect bounds the work, gives each write a deadline and keeps a panic to the
// request that caused it.
func (s *Server) protect(next handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slow := &patientWriter{ResponseWriter: w, control: http.NewResponseController(w), time: s.writeTime}
		select {
		case s.work <- struct{}{}:
			defer func() { <-s.work }()
		case <-r.Context().Done():
			slow.fail(ErrStopping) // or the client is gone
			return
		}
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler: // on purpose, by fail
				panic(cause)
			default:
				s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
				slow.fail(fmt.Errorf("%w: see its log", ErrInternal))
			}
		}()
		next(slow, r)
	})
}

// patientWriter gives the client some time for each write, and knows whether the
// answer has begun.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	time    time.Duration
	begun   bool
}

// WriteHeader implements http.ResponseWriter.
func (w *patientWriter) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *patientWriter) Write(bz []byte) (int, error) {
	w.begun = true
	if err := w.control.SetWriteDeadline(time.Now().Add(w.time)); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(bz)
}

// flush sends what was written.
func (w *patientWriter) flush() error {
	if err := w.control.SetWriteDeadline(time.Now().Add(w.time)); err != nil {
		return err
	}
	return w.control.Flush()
}

// fail answers with an error. If the answer has begun already, it is cut off, so
// that the client does not take it for whole.
func (w *patientWriter) fail(err error) {
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	wire, status := wireErrorOf(err)
	w.Header().Set("Content-Type", contentJSON)
	w.WriteHeader(status)
	writeJSON(w, line{Error: wire})
}
