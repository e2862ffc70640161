package localnet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// Bounds of what a Backend reads and writes, in bytes.
const (
	maxBackendBody  = 64 << 20
	maxBackendReply = 64 << 20
)

// Backend is the service that relays end at: an HTTP server that answers
//
//   - JSON-RPC calls, single and in batches, with a result and the call's id;
//     the result is what an Ethereum node would say for a few methods and the
//     method's name for all others
//   - /status/<code> with that status
//   - /echo and everything below it with the request itself as JSON (Echo)
//   - /bytes/<n> with n bytes
//   - any other GET or HEAD with status 200
type Backend struct {
	url      string
	server   *http.Server
	done     chan error // the server's end; closed after it
	requests atomic.Int64
	delay    atomic.Int64 // nanoseconds
}

// Echo is the answer to a request below /echo.
type Echo struct {
	Method  string      `json:"method"`
	Host    string      `json:"host"`
	Path    string      `json:"path"`
	Query   string      `json:"query"` // as sent
	Headers http.Header `json:"headers"`
	Body    string      `json:"body"`
}

// NewBackend serves on listener, which it closes in Close, and answers delay
// after each request arrived.
func NewBackend(listener net.Listener, delay time.Duration) *Backend {
	b := &Backend{url: "http://" + listener.Addr().String(), done: make(chan error, 1)}
	b.SetDelay(delay)
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", serveStatus)
	mux.HandleFunc("/echo", serveEcho)
	mux.HandleFunc("/echo/", serveEcho)
	mux.HandleFunc("/bytes/{n}", serveBytes)
	mux.HandleFunc("/", serveJSONRPC)
	b.server = &http.Server{Handler: b.count(mux), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(b.done)
		b.done <- b.server.Serve(listener)
	}()
	return b
}

// URL returns the address of the backend, http://host:port.
func (b *Backend) URL() string { return b.url }

// Requests returns how many requests have arrived.
func (b *Backend) Requests() int64 { return b.requests.Load() }

// SetDelay changes how long answers take from the next request on.
func (b *Backend) SetDelay(delay time.Duration) { b.delay.Store(int64(delay)) }

// Close breaks the connections and returns when the server has ended.
func (b *Backend) Close() error {
	err := b.server.Close()
	if served := <-b.done; served != nil && !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("close backend %s: %w", b.url, err)
	}
	return nil
}

// count counts the request and waits for the delay.
func (b *Backend) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.requests.Add(1)
		if !async.Sleep(r.Context(), time.Duration(b.delay.Load())) {
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBackendBody)
		next.ServeHTTP(w, r)
	})
}

func serveStatus(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "status must be 200 to 599"})
		return
	}
	if code == http.StatusNoContent || code == http.StatusNotModified {
		w.WriteHeader(code)
		return
	}
	writeJSON(w, code, map[string]int{"status": code})
}

func serveEcho(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, Echo{
		Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.RawQuery, Headers: r.Header, Body: string(body),
	})
}

func serveBytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n > maxBackendReply {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("bytes must be 0 to %d", maxBackendReply)})
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(n))
	io.Copy(w, io.LimitReader(zeros{}, int64(n))) // a reader that left needs no answer
}

// zeros is an endless reader of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type jsonRPCCall struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

type jsonRPCReply struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *jsonRPCError   `json:"error,omitempty"`
}

type jsonRPCError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func serveJSONRPC(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		writeJSON(w, http.StatusOK, map[string]string{"path": r.URL.Path})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]string{"error": err.Error()})
		return
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		var calls []jsonRPCCall
		if err := json.Unmarshal(body, &calls); err != nil {
			writeJSON(w, http.StatusOK, parseError(err))
			return
		}
		replies := make([]jsonRPCReply, len(calls))
		for i, call := range calls {
			replies[i] = call.answer()
		}
		writeJSON(w, http.StatusOK, replies)
		return
	}
	var call jsonRPCCall
	if err := json.Unmarshal(body, &call); err != nil {
		writeJSON(w, http.StatusOK, parseError(err))
		return
	}
	writeJSON(w, http.StatusOK, call.answer())
}

func (c jsonRPCCall) answer() jsonRPCReply {
	reply := jsonRPCReply{JSONRPC: "2.0", ID: c.ID}
	switch {
	case c.Method == "":
		reply.Error = &jsonRPCError{Code: -32600, Message: "the call has no method"}
	case c.Method == "eth_blockNumber":
		reply.Result = "0x1234"
	case c.Method == "eth_chainId":
		reply.Result = "0x7a69"
	case strings.HasSuffix(c.Method, "_getBalance"):
		reply.Result = "0x0"
	default:
		reply.Result = c.Method
	}
	return reply
}

func parseError(err error) jsonRPCReply {
	return jsonRPCReply{JSONRPC: "2.0", Error: &jsonRPCError{Code: -32700, Message: err.Error()}}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value) // a client that left needs no answer
}
