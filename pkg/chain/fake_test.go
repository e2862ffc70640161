package chain

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	cmtp2p "github.com/cometbft/cometbft/proto/tendermint/p2p"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	grpctypes "github.com/cosmos/cosmos-sdk/types/grpc"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	testChainID    = "test-chain"
	methodNodeInfo = "/cosmos.base.tendermint.v1beta1.Service/GetNodeInfo"
)

// fakeNode answers as the test says, where a real chain cannot be made to.
type fakeNode struct {
	cmtservice.UnimplementedServiceServer
	apptypes.UnimplementedQueryServer

	rpc      *httptest.Server
	grpcAddr string

	mu      sync.Mutex
	height  int64 // of the state that answers
	calls   map[string]int
	answers map[string]func() (any, error) // by gRPC method
	// requests answers what answers has nothing for; nil has no answers either.
	requests func(request any) (any, error)
	results  map[string]any // by RPC method; an error is the RPC error
}

// newFakeNode returns a node and a connection to it.
func newFakeNode(t testing.TB) (*fakeNode, *Node) {
	t.Helper()
	f := startFake(t)
	return f, dialFakes(t, f)
}

// startFake returns a node on the test's chain at height 10.
func startFake(t testing.TB) *fakeNode {
	t.Helper()
	f := &fakeNode{calls: make(map[string]int), answers: make(map[string]func() (any, error)), results: make(map[string]any)}
	f.onChain(testChainID)
	f.at(10)
	f.grpcAddr = f.serveGRPC(t)
	f.rpc = httptest.NewServer(http.HandlerFunc(f.serveRPC))
	t.Cleanup(f.rpc.Close)
	return f
}

// onChain makes the node say that it is on a chain.
func (f *fakeNode) onChain(id string) {
	f.set(func(f *fakeNode) {
		f.answers[methodNodeInfo] = func() (any, error) {
			return &cmtservice.GetNodeInfoResponse{DefaultNodeInfo: &cmtp2p.DefaultNodeInfo{Network: id}}, nil
		}
		f.results["status"] = json.RawMessage(`{"node_info":{"network":"` + id + `"},"sync_info":{"latest_block_height":"10","earliest_block_height":"1"}}`)
	})
}

// at makes the node answer from the state at height.
func (f *fakeNode) at(height int64) {
	f.set(func(f *fakeNode) {
		f.height = height
		f.results["abci_info"] = json.RawMessage(`{"response":{"last_block_height":"` + strconv.FormatInt(height, 10) + `"}}`)
	})
}

// fakesConfig names the nodes in their order.
func fakesConfig(fakes ...*fakeNode) Config {
	cfg := Config{
		ChainID: testChainID, Timeout: time.Second, ProbeInterval: 20 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range fakes {
		cfg.QueryGRPCURLs = append(cfg.QueryGRPCURLs, f.grpcAddr)
		cfg.TxRPCURLs = append(cfg.TxRPCURLs, f.rpc.URL)
	}
	return cfg
}

func dialFakes(t testing.TB, fakes ...*fakeNode) *Node {
	t.Helper()
	return dialNode(t, fakesConfig(fakes...))
}

func dialNode(t testing.TB, cfg Config) *Node {
	t.Helper()
	node, err := Dial(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	return node
}

func (f *fakeNode) serveGRPC(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cdc, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(cdc.GRPCCodec()), grpc.UnaryInterceptor(f.intercept))
	cmtservice.RegisterServiceServer(server, f)
	apptypes.RegisterQueryServer(server, &apptypes.UnimplementedQueryServer{})
	authtypes.RegisterQueryServer(server, &authtypes.UnimplementedQueryServer{})
	servicetypes.RegisterQueryServer(server, &servicetypes.UnimplementedQueryServer{})
	sessiontypes.RegisterQueryServer(server, &sessiontypes.UnimplementedQueryServer{})
	sharedtypes.RegisterQueryServer(server, &sharedtypes.UnimplementedQueryServer{})
	tokenomicstypes.RegisterQueryServer(server, &tokenomicstypes.UnimplementedQueryServer{})
	suppliertypes.RegisterQueryServer(server, &suppliertypes.UnimplementedQueryServer{})
	txtypes.RegisterServiceServer(server, &txtypes.UnimplementedServiceServer{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// intercept answers in place of the services.
func (f *fakeNode) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	f.mu.Lock()
	f.calls[info.FullMethod]++
	reply, ok := f.answers[info.FullMethod]
	requests, height := f.requests, f.height
	f.mu.Unlock()
	if height > 0 {
		if err := grpc.SetHeader(ctx, metadata.Pairs(grpctypes.GRPCBlockHeightHeader, strconv.FormatInt(height, 10))); err != nil {
			return nil, err
		}
	}
	switch {
	case ok:
		return reply()
	case requests != nil:
		return requests(request)
	}
	return nil, status.Error(codes.Unimplemented, "unknown method")
}

// serveRPC answers JSON-RPC.
func (f *fakeNode) serveRPC(w http.ResponseWriter, r *http.Request) {
	var request struct {
		ID     json.RawMessage
		Method string
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.calls[request.Method]++
	result, ok := f.results[request.Method]
	f.mu.Unlock()
	if !ok {
		result = errors.New("method has no answer")
	}
	reply := map[string]any{"jsonrpc": "2.0", "id": request.ID}
	if err, failed := result.(error); failed {
		reply["error"] = map[string]any{"code": -32603, "message": "Internal error", "data": err.Error()}
	} else {
		reply["result"] = result
	}
	bz, err := json.Marshal(reply)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := w.Write(bz); err != nil {
		return // the client has gone
	}
}

func (f *fakeNode) set(change func(*fakeNode)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeNode) count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}
