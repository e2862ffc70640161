package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/cosmos/cosmos-sdk/codec"

	"github.com/seed52205347/relayminer/pkg/async"
)

// Config says how to reach the chain. Of several addresses of a kind the first is
// preferred; another is used when it gives no answer or lags, and is then kept.
type Config struct {
	// QueryGRPCURLs are gRPC addresses that questions go to: tcp://host:port,
	// http://, https:// or host:port. At least one is required.
	QueryGRPCURLs []string
	// QueryRPCURLs are CometBFT RPC addresses that blocks are followed from. Empty
	// means TxRPCURLs.
	QueryRPCURLs []string
	// TxRPCURLs are CometBFT RPC addresses that transactions are sent to. Empty
	// means those that blocks are followed from. One of both is required.
	TxRPCURLs []string
	// GRPCInsecure chooses plain text (true) or TLS (false) for a gRPC address
	// that does not say https. Nil means plain text.
	GRPCInsecure *bool
	// ChainID is the chain that every node named must be on. Required: whoever
	// signs must know for which chain.
	ChainID string
	// Timeout bounds one attempt at one call. Zero means DefaultTimeout.
	Timeout time.Duration
	// ProbeInterval is the time between two looks at each server of a kind that has
	// several. Zero means DefaultProbeInterval.
	ProbeInterval time.Duration
	// Logger is told of what the operator should know. Nil means slog.Default.
	Logger *slog.Logger
}

// DefaultTimeout is how long one attempt at one call may take when Config does
// not say.
const DefaultTimeout = 5 * time.Second

// Node is a connection to the chain. Its methods may be called concurrently. The
// owner calls Close when BlockDriver, Queries and submitter are done with it.
type Node struct {
	chainID string
	timeout time.Duration
	log     *slog.Logger

	codec *codec.ProtoCodec
	http  *http.Client
	grpc  *pool         // where questions are asked
	query *pool         // where blocks are followed
	tx    *pool         // where transactions are sent; can be query
	probe time.Duration // between two looks at a server

	// seen is the highest height that any answer has named. Height and hash of
	// a block never change, so it only serves to tell old answers from new ones.
	seen atomic.Int64
	// followed counts the subscriptions to new blocks that are open. While there
	// is one, seen is up to date.
	followed atomic.Int32

	blockTxs *memo[int64, positions]

	txIndexQuiet quiet // after the transaction index did not answer

	base   context.Context // of queries that belong to no single caller
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	flights sync.WaitGroup // queries in flight; grows only while not closed

	watchers *async.Group // look at servers of which there are several
}

// cometClient is one CometBFT RPC server.
type cometClient struct {
	*rpchttp.HTTP
	at rpcEndpoint
}

// Dial connects to the chain, for which one server of each kind must answer. Every
// server is checked to be on the chain before it is used; one on another chain
// never is. The error wraps ErrConfig, ErrUnreachable with the addresses that gave
// no answer, or, if all of a kind are on another chain, ErrWrongChainID with both
// chain ids. ctx bounds the call, not the connection.
func Dial(ctx context.Context, cfg Config) (*Node, error) {
	n, err := newNode(cfg)
	if err != nil {
		return nil, err
	}
	if err := n.establish(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	for _, p := range n.pools() {
		if !p.several() {
			continue
		}
		for _, s := range p.servers {
			if err := n.watchers.Supervise("watch of "+s.name, async.Restart{}, func(ctx context.Context) error {
				return n.watch(ctx, p, s)
			}); err != nil {
				return nil, errors.Join(err, n.Close())
			}
		}
	}
	stats := n.Stats()
	n.log.Info("connected to the chain", "chain_id", n.chainID, "query_grpc", stats.QueryGRPC.Endpoint,
		"query_rpc", stats.QueryRPC.Endpoint, "tx_rpc", stats.TxRPC.Endpoint)
	return n, nil
}

// newNode checks the configuration and builds everything that needs no network.
func newNode(cfg Config) (*Node, error) {
	if cfg.ChainID == "" {
		return nil, fmt.Errorf("%w: chain id is empty", ErrConfig)
	}
	cdc, err := newCodec()
	if err != nil {
		return nil, err
	}
	n := &Node{chainID: cfg.ChainID, timeout: cfg.Timeout, probe: cfg.ProbeInterval, log: cfg.Logger, codec: cdc, http: newHTTPClient()}
	if n.timeout <= 0 {
		n.timeout = DefaultTimeout
	}
	if n.probe <= 0 {
		n.probe = DefaultProbeInterval
	}
	if n.log == nil {
		n.log = slog.Default()
	}
	n.blockTxs = newMemo(n, indexedBlocks, n.askTxs)
	n.base, n.cancel = context.WithCancel(context.Background())
	n.watchers = async.NewGroup(n.base, async.OnFailure(func(name string, err error) {
		n.log.Error("nodes are not looked at any more", "goroutine", name, "error", err)
	}))
	if err := n.name(cfg); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// name makes the pools out of the addresses.
func (n *Node) name(cfg Config) error {
	openRPC := func(raw string) (*server, error) { return newRPCServer(raw, n.http) }
	openGRPC := func(raw string) (*server, error) { return newGRPCServer(raw, cfg.GRPCInsecure, n.codec) }
	blocks := cfg.QueryRPCURLs
	if len(blocks) == 0 {
		blocks = cfg.TxRPCURLs
	}
	var err error
	if n.grpc, err = n.poolOf("query grpc", cfg.QueryGRPCURLs, openGRPC); err != nil {
		return err
	}
	if n.query, err = n.poolOf("query rpc", blocks, openRPC); err != nil {
		return err
	}
	n.tx = n.query
	if len(cfg.TxRPCURLs) > 0 && len(cfg.QueryRPCURLs) > 0 {
		n.tx, err = n.poolOf("tx rpc", cfg.TxRPCURLs, openRPC)
	}
	return err
}

func (n *Node) poolOf(kind string, urls []string, open func(string) (*server, error)) (*pool, error) {
	if len(urls) == 0 {
		return nil, fmt.Errorf("%w: no %s url is given", ErrConfig, kind)
	}
	var servers []*server
	for _, raw := range urls {
		s, err := open(raw)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s url: %w", kind, err), closeAll(servers))
		}
		servers = append(servers, s)
	}
	return newPool(kind, n.log, servers), nil
}

// pools returns the pools that there are, each once.
func (n *Node) pools() []*pool {
	var pools []*pool
	for _, p := range []*pool{n.grpc, n.query, n.tx} {
		if p != nil && !slices.Contains(pools, p) {
			pools = append(pools, p)
		}
	}
	return pools
}

// NodeStats is what is known of the servers behind a Node.
type NodeStats struct {
	QueryGRPC, QueryRPC, TxRPC PoolStats
}

// Stats returns which servers are in use and how often they were changed.
func (n *Node) Stats() NodeStats {
	return NodeStats{QueryGRPC: n.grpc.stats(), QueryRPC: n.query.stats(), TxRPC: n.tx.stats()}
}

// disown excludes the server that has described a block which does not continue
// the chain.
func (n *Node) disown(h head, err error) { n.query.bar(h.from, err) }

// tolerance is how many blocks a server may be behind another without its chain
// having gone back.
func (n *Node) tolerance() int64 {
	if n.query.several() {
		return maxLag
	}
	return 0
}

func (n *Node) checkChainID(at, got string) error {
	if got != n.chainID {
		return fmt.Errorf("%w: %s is on %q, configured is %q", ErrWrongChainID, at, got, n.chainID)
	}
	return nil
}

// ChainID returns the id of the chain that the connection was checked to be on.
func (n *Node) ChainID() string { return n.chainID }

// Close ends the connection and waits for the queries in flight, which fail.
// Closing twice is harmless.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	n.cancel()
	_ = n.watchers.Stop(context.Background()) // waits for all of them
	n.flights.Wait()
	n.http.CloseIdleConnections()
	var failed []error
	for _, p := range n.pools() {
		failed = append(failed, closeAll(p.servers))
	}
	return errors.Join(failed...)
}

// closeAll ends the gRPC connections of servers.
func closeAll(servers []*server) error {
	var failed []error
	for _, s := range servers {
		if s.grpc == nil {
			continue
		}
		if err := s.grpc.Close(); err != nil {
			failed = append(failed, fmt.Errorf("close grpc connection to %s: %w", s.name, err))
		}
	}
	return errors.Join(failed...)
}

// depart counts a query that belongs to no single caller, so that Close awaits it. It reports false when the node is closed.
func (n *Node) depart() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.flights.Add(1)
	return true
}

// note remembers that the chain has reached height.
func (n *Node) note(height int64) { raise(&n.seen, height) }

// raise makes the value at least height.
func raise(value *atomic.Int64, height int64) {
	for {
		is := value.Load()
		if height <= is || value.CompareAndSwap(is, height) {
			return
		}
	}
}
