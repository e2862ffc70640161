package faultnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// ErrClosed says that the proxy was closed.
var ErrClosed = errors.New("the proxy is closed")

// Config says where the node is.
type Config struct {
	// RPCAddr and GRPCAddr are host:port of the node's CometBFT RPC and gRPC.
	RPCAddr, GRPCAddr string
}

// Proxy is a running proxy. Its methods may be called concurrently.
type Proxy struct {
	// RPCURL is where clients find the CometBFT RPC, tcp://host:port, and GRPCURL
	// where they find gRPC, host:port.
	RPCURL, GRPCURL string
	// RPC and GRPC are the doors at these addresses.
	RPC, GRPC *Door

	node     node
	rpc      *http.Server
	grpc     *grpc.Server
	serving  sync.WaitGroup // the servers
	handling sync.WaitGroup // HTTP and websocket handlers; grows only while not closed
	base     context.Context
	cancel   context.CancelFunc
	changes  *changes

	mu        sync.Mutex
	closed    bool
	rules     []*Active // replaced, never changed
	calls     map[string]int
	forwarded map[string]int
	sockets   map[*socket]struct{}
}

// node is the way to the real node.
type node struct {
	rpcAddr string
	http    *http.Client
	grpc    *grpc.ClientConn
}

// Start runs a proxy on free ports of loopback. The node need not be there yet.
func Start(config Config) (*Proxy, error) {
	for _, addr := range []string{config.RPCAddr, config.GRPCAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("address of the node: %w", err)
		}
	}
	conn, err := dialGRPC(config.GRPCAddr)
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		node:      node{rpcAddr: config.RPCAddr, http: &http.Client{Transport: &http.Transport{}}, grpc: conn},
		changes:   newChanges(),
		calls:     make(map[string]int),
		forwarded: make(map[string]int),
		sockets:   make(map[*socket]struct{}),
	}
	p.base, p.cancel = context.WithCancel(context.Background())
	if err := p.listen(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.serve()
	return p, nil
}

func (p *Proxy) listen() (err error) {
	if p.RPC, err = newDoor(); err != nil {
		return fmt.Errorf("listen for rpc: %w", err)
	}
	if p.GRPC, err = newDoor(); err != nil {
		return fmt.Errorf("listen for grpc: %w", err)
	}
	p.RPCURL, p.GRPCURL = "tcp://"+p.RPC.addr, p.GRPC.addr
	return nil
}

// serve starts the servers, which end when Close closes their doors.
func (p *Proxy) serve() {
	p.rpc = &http.Server{
		Handler:           http.HandlerFunc(p.serveHTTP),
		ReadHeaderTimeout: time.Minute,
		BaseContext:       func(net.Listener) context.Context { return p.base },
	}
	p.grpc = grpc.NewServer(grpcOptions(p.serveGRPC)...)
	// That a server's listener is closed is all that either error says.
	p.serving.Go(func() { _ = p.rpc.Serve(doorListener{p.RPC}) })
	p.serving.Go(func() { _ = p.grpc.Serve(doorListener{p.GRPC}) })
}

// Close breaks all connections and returns when all that the proxy runs has
// ended. Closing twice is harmless.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.changes.end()
	var err error
	for _, door := range []*Door{p.RPC, p.GRPC} {
		if door != nil {
			err = errors.Join(err, door.shut())
		}
	}
	if p.rpc != nil {
		err = errors.Join(err, p.rpc.Close())
		p.grpc.Stop()
	}
	p.CutWebSockets()
	p.serving.Wait()
	p.handling.Wait()
	p.node.http.CloseIdleConnections()
	if closeErr := p.node.grpc.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close the connection to the node: %w", closeErr))
	}
	return err
}

// enter counts a handler, so that Close awaits it. It reports false when the
// proxy is closed.
func (p *Proxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.handling.Add(1)
	return true
}

// Add puts a rule in force for calls to come. The error wraps ErrRule.
func (p *Proxy) Add(rule Rule) (*Active, error) {
	if err := rule.check(); err != nil {
		return nil, err
	}
	active := newActive(p, rule)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(slices.Clone(p.rules), active)
	return active, nil
}

func (p *Proxy) remove(active *Active) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = slices.DeleteFunc(slices.Clone(p.rules), func(other *Active) bool { return other == active })
}

// Clear removes all rules.
func (p *Proxy) Clear() {
	for _, active := range p.active() {
		active.Remove()
	}
}

func (p *Proxy) active() []*Active {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rules
}

// Calls returns how many calls of a method were made, whatever became of them.
func (p *Proxy) Calls(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[method]
}

// AwaitCalls returns when n calls of a method were made, or with an error that
// wraps that of ctx, or ErrClosed.
func (p *Proxy) AwaitCalls(ctx context.Context, method string, n int) error {
	if err := p.changes.await(ctx, func() bool { return p.Calls(method) >= n }); err != nil {
		return fmt.Errorf("wait for %d calls of %s, at %d: %w", n, method, p.Calls(method), err)
	}
	return nil
}

// Forwarded returns how many calls of a method were handed on to the node, or
// events to a client. A call that is duplicated counts twice.
func (p *Proxy) Forwarded(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forwarded[method]
}

func (p *Proxy) count(counters map[string]int, method string) {
	p.mu.Lock()
	counters[method]++
	p.mu.Unlock()
	p.changes.announce()
}

// handle counts a call and takes it through the rules. last hands it on.
func (p *Proxy) handle(ctx context.Context, call *Call, last Handler) *Answer {
	p.count(p.calls, call.Method)
	return through(p.active(), func(ctx context.Context, call *Call) *Answer {
		p.count(p.forwarded, call.Method)
		return last(ctx, call)
	})(ctx, call)
}

// through returns a handler that applies the rules, the first outermost.
func through(rules []*Active, last Handler) Handler {
	if len(rules) == 0 {
		return last
	}
	next := through(rules[1:], last)
	return func(ctx context.Context, call *Call) *Answer {
		if treat := rules[0].meet(call); treat != nil {
			return treat(ctx, call, next)
		}
		return next(ctx, call)
	}
}
