package faultnode

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtbytes "github.com/cometbft/cometbft/libs/bytes"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/p2p"
	p2pv1 "github.com/cometbft/cometbft/proto/tendermint/p2p"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	grpctypes "github.com/cosmos/cosmos-sdk/types/grpc"
	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// soon is how long it is watched that nothing happens.
const soon = 50 * time.Millisecond

const chainID = "fake-chain"

// fakeNode is as much of a node as the tests look at.
type fakeNode struct {
	cmtservice.UnimplementedServiceServer

	rpc     *httptest.Server
	changes *changes // announced at each receipt

	mu       sync.Mutex
	height   int64
	received []string // methods, in order
	sockets  []*websocket.Conn
}

// world is a fake node, a proxy in front of it and the clients of the proxy.
type world struct {
	*Proxy
	t    *testing.T
	ctx  context.Context
	node *fakeNode
	http *http.Client
	rpc  *rpchttp.HTTP
	conn *grpc.ClientConn
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	node := &fakeNode{height: 10, changes: newChanges()}
	node.rpc = httptest.NewServer(node)
	t.Cleanup(node.rpc.Close)
	t.Cleanup(node.hangUp)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	server := grpc.NewServer()
	cmtservice.RegisterServiceServer(server, node)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // ends with Stop
	t.Cleanup(func() { server.Stop(); serving.Wait() })

	proxy, err := Start(Config{RPCAddr: node.rpc.Listener.Addr().String(), GRPCAddr: listener.Addr().String()})
	check(t, err)
	t.Cleanup(func() { check(t, proxy.Close()) })
	w := &world{Proxy: proxy, t: t, ctx: ctx, node: node, http: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(w.http.CloseIdleConnections)
	w.rpc, err = rpchttp.NewWithClient(proxy.RPCURL, "/websocket", w.http)
	check(t, err)
	w.conn, err = grpc.NewClient(proxy.GRPCURL, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Millisecond, MaxDelay: soon}, MinConnectTimeout: patience}))
	check(t, err)
	t.Cleanup(func() { check(t, w.conn.Close()) })
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// add puts a rule in force.
func (w *world) add(rule Rule) *Active {
	w.t.Helper()
	active, err := w.Add(rule)
	check(w.t, err)
	return active
}

// short returns a context that ends soon.
func (w *world) short() context.Context {
	ctx, cancel := context.WithTimeout(w.ctx, soon)
	w.t.Cleanup(cancel)
	return ctx
}

// unanswered returns a context for a call that is not going to be answered: it
// is cancelled when the rule's fault was met and the node has received a method
// so many times.
func (w *world) unanswered(t *testing.T, rule *Active, method string, receipts int) context.Context {
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan struct{})
	go func() { // awaited by the cleanup
		defer close(ended)
		defer cancel()
		if rule.Await(ctx, 1) == nil {
			_ = w.node.changes.await(ctx, func() bool { return w.node.receipts(method) >= receipts })
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return ctx
}

// info asks over gRPC for the node's chain id.
func (w *world) info(ctx context.Context, opts ...grpc.CallOption) (string, error) {
	answer, err := cmtservice.NewServiceClient(w.conn).GetNodeInfo(ctx, &cmtservice.GetNodeInfoRequest{}, opts...)
	return answer.GetDefaultNodeInfo().GetNetwork(), err
}

// receipts returns how often the node has received a method.
func (n *fakeNode) receipts(method string) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, received := range n.received {
		if received == method {
			count++
		}
	}
	return count
}

func (n *fakeNode) log() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.received)
}

func (n *fakeNode) receive(method string) (height int64) {
	defer n.changes.announce()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.received = append(n.received, method)
	return n.height
}

// ServeHTTP is the RPC.
func (n *fakeNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/websocket" {
		n.serveSocket(w, r)
		return
	}
	request := rpcRequest{ID: json.RawMessage("-1"), Method: strings.TrimPrefix(r.URL.Path, "/")}
	asked := r.URL.Query().Get("height")
	if r.Method == http.MethodPost {
		var params struct {
			Height, MinHeight, MaxHeight string
			Tx                           []byte
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &request) != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		if len(request.Params) > 0 {
			_ = json.Unmarshal(request.Params, &params) // params that do not fit are not looked at
		}
		asked = params.Height + params.MaxHeight
		if len(params.Tx) > 0 {
			asked = string(params.Tx)
		}
	}
	_, _ = w.Write(n.respond(request, asked))
}

// respond answers as CometBFT does.
func (n *fakeNode) respond(request rpcRequest, asked string) []byte {
	newest := n.receive(request.Method)
	height := newest
	if parsed, err := strconv.ParseInt(asked, 10, 64); err == nil && parsed > 0 {
		height = parsed
	}
	var result any
	switch request.Method {
	case "abci_info":
		result = &ctypes.ResultABCIInfo{Response: abci.ResponseInfo{LastBlockHeight: newest, LastBlockAppHash: []byte("newest")}}
	case "status":
		result = &ctypes.ResultStatus{
			NodeInfo: p2p.DefaultNodeInfo{Network: chainID},
			SyncInfo: ctypes.SyncInfo{LatestBlockHeight: newest},
		}
	case "header":
		result = &ctypes.ResultHeader{Header: header(height)}
	case "block":
		result = &ctypes.ResultBlock{
			BlockID: cmttypes.BlockID{Hash: header(height).Hash()},
			Block:   &cmttypes.Block{Header: *header(height), LastCommit: &cmttypes.Commit{}},
		}
	case "blockchain":
		result = &ctypes.ResultBlockchainInfo{LastHeight: newest, BlockMetas: []*cmttypes.BlockMeta{{Header: *header(height)}}}
	case "tx":
		result = &ctypes.ResultTx{Height: newest, Hash: cmtbytes.HexBytes("hash of a transaction")}
	case "broadcast_tx_sync":
		n.receive("tx:" + asked)
		result = &ctypes.ResultBroadcastTx{Hash: cmtbytes.HexBytes("hash of a transaction")}
	default:
		return []byte(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, request.ID))
	}
	encoded, err := cmtjson.Marshal(result)
	if err != nil {
		return []byte(err.Error())
	}
	return []byte(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, request.ID, encoded))
}

func header(height int64) *cmttypes.Header {
	return &cmttypes.Header{
		ChainID: chainID, Height: height, Time: time.Unix(height, 0).UTC(),
		AppHash:        fmt.Appendf(nil, "app hash in block %d", height),
		ValidatorsHash: []byte("validators"), ProposerAddress: make([]byte, 20),
	}
}

// serveSocket answers subscriptions. Events come from push.
func (n *fakeNode) serveSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		var request rpcRequest
		if conn.ReadJSON(&request) != nil {
			return
		}
		n.receive(request.Method)
		n.mu.Lock()
		n.sockets = append(n.sockets, conn)
		err := conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{}}`, request.ID))
		n.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// push makes blocks and sends the event of each to the subscribers.
func (n *fakeNode) push(blocks int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range blocks {
		n.height++
		event, err := cmtjson.Marshal(&ctypes.ResultEvent{Data: cmttypes.EventDataNewBlockHeader{Header: *header(n.height)}})
		if err != nil {
			panic(err) // all of its fields were set above
		}
		for _, conn := range n.sockets {
			// Who has gone needs no event.
			_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"result":%s}`, event))
		}
	}
}

func (n *fakeNode) hangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.sockets {
		_ = conn.Close()
	}
}

// GetNodeInfo is a method of the gRPC server. Its answer has the metadata of the
// chain's own answers.
func (n *fakeNode) GetNodeInfo(ctx context.Context, _ *cmtservice.GetNodeInfoRequest) (*cmtservice.GetNodeInfoResponse, error) {
	height := strconv.FormatInt(n.receive(nodeInfo), 10)
	incoming, _ := metadata.FromIncomingContext(ctx)
	if asked := incoming.Get(grpctypes.GRPCBlockHeightHeader); len(asked) > 0 {
		height = asked[0]
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs(grpctypes.GRPCBlockHeightHeader, height)); err != nil {
		return nil, err
	}
	return &cmtservice.GetNodeInfoResponse{DefaultNodeInfo: &p2pv1.DefaultNodeInfo{Network: chainID}}, nil
}

// GetSyncing fails as a method of the chain does, with a status and a trailer.
func (n *fakeNode) GetSyncing(ctx context.Context, _ *cmtservice.GetSyncingRequest) (*cmtservice.GetSyncingResponse, error) {
	if err := grpc.SetTrailer(ctx, metadata.Pairs("trail", "blazed")); err != nil {
		return nil, err
	}
	return nil, status.Error(codes.NotFound, "no such thing")
}

// subscriber is a client of the event stream.
type subscriber struct {
	w    *world
	conn *websocket.Conn
}

func (w *world) subscribe() *subscriber {
	w.t.Helper()
	s := w.dialEvents()
	request, err := rpctypes.MapToRequest(rpctypes.JSONRPCIntID(1), "subscribe", map[string]any{"query": "tm.event='NewBlockHeader'"})
	check(w.t, err)
	check(w.t, s.conn.WriteJSON(request))
	if got := string(s.read()); got != `{"jsonrpc":"2.0","id":1,"result":{}}` {
		w.t.Fatalf("subscription is confirmed with %s", got)
	}
	return s
}

func (w *world) dialEvents() *subscriber {
	w.t.Helper()
	conn, response, err := websocket.DefaultDialer.DialContext(w.ctx, strings.Replace(w.RPCURL, "tcp", "ws", 1)+"/websocket", nil)
	check(w.t, err)
	check(w.t, response.Body.Close())
	w.t.Cleanup(func() { _ = conn.Close() })
	check(w.t, conn.SetReadDeadline(time.Now().Add(patience)))
	return &subscriber{w: w, conn: conn}
}

func (s *subscriber) read() []byte {
	s.w.t.Helper()
	_, message, err := s.conn.ReadMessage()
	check(s.w.t, err)
	return message
}

// heights returns those of the next events.
func (s *subscriber) heights(count int) (heights []int64) {
	s.w.t.Helper()
	for range count {
		var response rpctypes.RPCResponse
		check(s.w.t, response.UnmarshalJSON(s.read()))
		var event ctypes.ResultEvent
		check(s.w.t, cmtjson.Unmarshal(response.Result, &event))
		heights = append(heights, event.Data.(cmttypes.EventDataNewBlockHeader).Header.Height)
	}
	return heights
}
