package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/codec"
	"google.golang.org/grpc"
)

// Config says how to reach the chain.
type Config struct {
	// QueryGRPCURL is the gRPC address that questions go to: tcp://host:port,
	// http://, https:// or host:port. Required.
	QueryGRPCURL string
	// QueryRPCURLs are CometBFT RPC addresses that blocks are followed from. The
	// first that answers at Dial and is on the right chain is used. Empty means
	// TxRPCURL.
	QueryRPCURLs []string
	// TxRPCURL is the CometBFT RPC address that transactions are sent to. Empty
	// means the address that blocks are followed from. One of both is required.
	TxRPCURL string
	// GRPCInsecure chooses plain text (true) or TLS (false) for a gRPC address
	// that does not say https. Nil means plain text.
	GRPCInsecure *bool
	// ChainID is the chain that every node named must be on. Required: whoever
	// signs must know for which chain.
	ChainID string
	// Timeout bounds one attempt at one call. Zero means DefaultTimeout.
	Timeout time.Duration
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

	conn    *grpc.ClientConn
	codec   *codec.ProtoCodec
	http    *http.Client
	query   cometClient // where blocks are followed
	tx      cometClient // where transactions are sent
	grpcURL grpcEndpoint

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
}

// cometClient is one CometBFT RPC server.
type cometClient struct {
	*rpchttp.HTTP
	at rpcEndpoint
}

// Dial connects to the chain and makes sure that every node named is on it. The
// error wraps ErrConfig, ErrUnreachable with the address that gave no answer, or
// ErrWrongChainID with both chain ids. ctx bounds the call, not the connection.
func Dial(ctx context.Context, cfg Config) (*Node, error) {
	n, rpcs, err := newNode(cfg)
	if err != nil {
		return nil, err
	}
	if err := n.connect(ctx, rpcs, cfg.TxRPCURL); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.log.Info("connected to the chain", "chain_id", n.chainID,
		"query_grpc", n.grpcURL.String(), "query_rpc", n.query.at.String(), "tx_rpc", n.tx.at.String())
	return n, nil
}

// newNode checks the configuration and builds everything that needs no network.
func newNode(cfg Config) (*Node, []string, error) {
	if cfg.ChainID == "" {
		return nil, nil, fmt.Errorf("%w: chain id is empty", ErrConfig)
	}
	rpcs := cfg.QueryRPCURLs
	if len(rpcs) == 0 && cfg.TxRPCURL != "" {
		rpcs = []string{cfg.TxRPCURL}
	}
	if len(rpcs) == 0 {
		return nil, nil, fmt.Errorf("%w: neither query nor tx rpc url is given", ErrConfig)
	}
	at, err := parseGRPC(cfg.QueryGRPCURL, cfg.GRPCInsecure)
	if err != nil {
		return nil, nil, fmt.Errorf("query grpc url: %w", err)
	}
	cdc, err := newCodec()
	if err != nil {
		return nil, nil, err
	}
	conn, err := openGRPC(at, cdc)
	if err != nil {
		return nil, nil, err
	}
	n := &Node{
		chainID: cfg.ChainID, timeout: cfg.Timeout, log: cfg.Logger,
		conn: conn, codec: cdc, http: newHTTPClient(), grpcURL: at,
	}
	if n.timeout <= 0 {
		n.timeout = DefaultTimeout
	}
	if n.log == nil {
		n.log = slog.Default()
	}
	n.blockTxs = newMemo(n, indexedBlocks, n.askTxs)
	n.base, n.cancel = context.WithCancel(context.Background())
	return n, rpcs, nil
}

// connect finds an RPC server to follow, and checks all chain ids.
func (n *Node) connect(ctx context.Context, rpcs []string, txRPC string) error {
	if err := n.checkGRPC(ctx); err != nil {
		return err
	}
	var failed []error
	for _, raw := range rpcs {
		client, err := n.openRPC(ctx, raw)
		if err == nil {
			n.query = client
			failed = nil
			break
		}
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("query rpc: %w", err)
	}
	if txRPC == "" {
		n.tx = n.query
		return nil
	}
	client, err := n.openRPC(ctx, txRPC)
	if err != nil {
		return fmt.Errorf("tx rpc: %w", err)
	}
	n.tx = client
	return nil
}

func (n *Node) checkGRPC(ctx context.Context) error {
	info, _, err := ask(ctx, n, "node info", func(ctx context.Context, opts ...grpc.CallOption) (*cmtservice.GetNodeInfoResponse, error) {
		return cmtservice.NewServiceClient(n.conn).GetNodeInfo(ctx, &cmtservice.GetNodeInfoRequest{}, opts...)
	})
	if err != nil {
		return fmt.Errorf("query grpc: %w", err)
	}
	return n.checkChainID(n.grpcURL.String(), info.GetDefaultNodeInfo().GetNetwork())
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
	n.flights.Wait()
	n.http.CloseIdleConnections()
	if err := n.conn.Close(); err != nil {
		return fmt.Errorf("close grpc connection to %s: %w", n.grpcURL, err)
	}
	return nil
}

// depart counts a query that belongs to no single caller, so that Close awaits
// it. It reports false when the node is closed.
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
func (n *Node) note(height int64) {
	for {
		seen := n.seen.Load()
		if height <= seen || n.seen.CompareAndSwap(seen, height) {
			return
		}
	}
}
