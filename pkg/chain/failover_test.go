package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apptypes "github.com/pokt-network/poktroll/x/application/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}

// knowing makes a node know one application, or fail to answer.
func (f *fakeNode) knowing(fail error) {
	f.set(func(f *fakeNode) {
		f.answers[methodApplication] = func() (any, error) {
			return &apptypes.QueryGetApplicationResponse{}, fail
		}
	})
}

var errUnavailable = status.Error(codes.Unavailable, "no")

func TestQueries_NextNodeAnswersWithinTheSameCallAndIsKept(t *testing.T) {
	a, b := startFake(t), startFake(t)
	a.knowing(errUnavailable)
	b.knowing(nil)
	node := dialFakes(t, a, b)
	ask := func() {
		t.Helper()
		if _, err := NewQueries(node).askApplication(testContext(t), "app"); err != nil {
			t.Error(err)
		}
	}
	ask()
	a.knowing(nil)
	until(t, func() bool { return node.Stats().QueryGRPC.Usable == 2 })
	ask()
	if a, b := a.count(methodApplication), b.count(methodApplication); a != 1 || b != 2 {
		t.Errorf("the first was asked %d times, the second %d times", a, b)
	}
	if stats := node.Stats().QueryGRPC; stats.Failovers != 1 || !strings.Contains(stats.Endpoint, b.grpcAddr) {
		t.Errorf("stats are %+v", stats)
	}
	b.knowing(errUnavailable)
	ask()
	if stats := node.Stats().QueryGRPC; stats.Failovers != 2 || !strings.Contains(stats.Endpoint, a.grpcAddr) {
		t.Errorf("the one that came back is not used: %+v", stats)
	}
}

func TestSimulate_WantOfANodeIsNoRefusal(t *testing.T) {
	a, b := startFake(t), startFake(t)
	node := dialFakes(t, a, b)
	node.grpc.answered.Store(1000)
	var refusal *Refusal
	if _, err := node.Simulate(testContext(t), []byte("tx")); !errors.Is(err, ErrUnreachable) || errors.As(err, &refusal) {
		t.Errorf("all behind: %v", err)
	}
	for _, s := range node.grpc.servers {
		node.grpc.judge(s, 0, 0, ErrWrongChainID)
	}
	a.onChain("elsewhere")
	b.onChain("elsewhere")
	if _, err := node.Simulate(testContext(t), []byte("tx")); err == nil || errors.As(err, &refusal) {
		t.Errorf("none on the chain: %v", err)
	}
}

func TestQueries_WhatANodeAnswersIsNotAskedElsewhere(t *testing.T) {
	a, b := startFake(t), startFake(t)
	a.knowing(status.Error(codes.NotFound, "none"))
	node := dialFakes(t, a, b)
	if _, err := NewQueries(node).askApplication(testContext(t), "app"); err == nil {
		t.Error("no error")
	}
	if n := b.count(methodApplication); n != 0 {
		t.Errorf("the second was asked %d times", n)
	}
}

func TestQueries_CallerWithoutPatienceDoesNotCondemnANode(t *testing.T) {
	a, b := startFake(t), startFake(t)
	release := make(chan struct{})
	a.set(func(f *fakeNode) {
		f.answers[methodApplication] = func() (any, error) { <-release; return nil, errUnavailable }
	})
	node := dialFakes(t, a, b)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := NewQueries(node).askApplication(ctx, "app"); err == nil {
		t.Error("no error")
	}
	close(release)
	if stats := node.Stats().QueryGRPC; stats.Failovers != 0 {
		t.Errorf("stats are %+v", stats)
	}
}

func TestDial_NodeOnAnotherChainIsNeverUsedAndToldOnce(t *testing.T) {
	wrong, right := startFake(t), startFake(t)
	wrong.onChain("elsewhere")
	for _, f := range []*fakeNode{wrong, right} {
		f.knowing(errUnavailable)
	}
	log := &logged{}
	cfg := fakesConfig(wrong, right)
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	node := dialNode(t, cfg)
	before := wrong.count(methodNodeInfo)
	if _, err := NewQueries(node).askApplication(testContext(t), "app"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	until(t, func() bool { return wrong.count(methodNodeInfo) > before+2 })
	if n := wrong.count(methodApplication); n != 0 {
		t.Errorf("the node on another chain was asked %d times", n)
	}
	if n := log.count("node is on another chain"); n != 2 { // its gRPC and its RPC address
		t.Errorf("told %d times", n)
	}
}

func TestDial_KindWithoutAUsableNodeIsAnError(t *testing.T) {
	wrong, right := startFake(t), startFake(t)
	wrong.onChain("elsewhere")
	for _, test := range []struct {
		name      string
		grpc, rpc []string
		is, isNot error
	}{
		{"all on another chain", []string{wrong.grpcAddr, wrong.grpcAddr}, []string{right.rpc.URL}, ErrWrongChainID, ErrUnreachable},
		{"dead and wrong", []string{nobody, wrong.grpcAddr}, []string{right.rpc.URL}, ErrUnreachable, ErrWrongChainID},
		{"all dead", []string{right.grpcAddr}, []string{nobody, nobody}, ErrUnreachable, ErrWrongChainID},
		{"dead and right", []string{nobody, right.grpcAddr}, []string{nobody, right.rpc.URL}, nil, ErrUnreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			node, err := Dial(testContext(t), Config{
				QueryGRPCURLs: test.grpc, QueryRPCURLs: test.rpc, ChainID: testChainID,
				Timeout: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
			})
			if !errors.Is(err, test.is) || errors.Is(err, test.isNot) {
				t.Errorf("got %v", err)
			}
			if err == nil {
				if err := node.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestNode_NodeThatLagsIsLeft(t *testing.T) {
	a, b := startFake(t), startFake(t)
	b.at(13)
	node := dialFakes(t, a, b)
	uses := func(f *fakeNode) bool {
		stats := node.Stats()
		return strings.Contains(stats.QueryGRPC.Endpoint, f.grpcAddr) && stats.QueryRPC.Endpoint == f.rpc.URL
	}
	if !uses(b) {
		t.Errorf("the one that lags is preferred: %+v", node.Stats())
	}
	a.at(15)
	until(t, func() bool { return node.Stats().QueryRPC.Usable == 2 })
	if !uses(b) {
		t.Error("left for two blocks")
	}
	a.at(16)
	until(t, func() bool { return uses(a) })
}

func TestNode_NodeThatWasDeadAtTheStartIsUsedWhenItIsThereAndOnTheChain(t *testing.T) {
	b := startFake(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	late := startFake(t)
	door := &http.Server{Handler: http.HandlerFunc(late.serveRPC), ReadHeaderTimeout: time.Second}
	cfg := fakesConfig(b)
	cfg.Timeout = 200 * time.Millisecond // nobody accepts as yet
	cfg.TxRPCURLs = append([]string{"http://" + listener.Addr().String()}, cfg.TxRPCURLs...)
	node := dialNode(t, cfg)
	if stats := node.Stats().TxRPC; stats.Usable != 1 || stats.Endpoint != b.rpc.URL {
		t.Errorf("at the start: %+v", stats)
	}
	served := make(chan error, 1)
	go func() { served <- door.Serve(listener) }()
	defer func() {
		if err := errors.Join(door.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	until(t, func() bool { return node.Stats().TxRPC.Usable == 2 })
	if stats := node.Stats().TxRPC; stats.Failovers != 0 {
		t.Errorf("another was chosen without a reason: %+v", stats)
	}
}

const accepted = `{"code":0,"hash":"00"}`

func TestBroadcast_NextNodeGetsTheSameBytesAtOnce(t *testing.T) {
	a, b := startFake(t), startFake(t)
	node := dialFakes(t, a, b)
	a.rpc.Close()
	b.set(func(f *fakeNode) { f.results["broadcast_tx_sync"] = json.RawMessage(accepted) })
	if err := node.Broadcast(testContext(t), []byte("tx")); err != nil {
		t.Error(err)
	}
	if n := b.count("broadcast_tx_sync"); n != 1 {
		t.Errorf("the second got %d transactions", n)
	}
	b.rpc.Close()
	node.http.CloseIdleConnections() // or the end of one of them is seen first
	if err := node.Broadcast(testContext(t), []byte("tx")); !errors.Is(err, ErrUnreachable) || !errors.Is(err, ErrNotSent) {
		t.Errorf("when all are dead: %v", err)
	}
}

func TestBroadcast_RefusalIsNotTakenElsewhere(t *testing.T) {
	a, b := startFake(t), startFake(t)
	node := dialFakes(t, a, b)
	a.set(func(f *fakeNode) {
		f.results["broadcast_tx_sync"] = json.RawMessage(`{"code":13,"codespace":"sdk","log":"insufficient fee","hash":"00"}`)
	})
	var refusal *Refusal
	if err := node.Broadcast(testContext(t), []byte("tx")); !errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
	if n := b.count("broadcast_tx_sync"); n != 0 {
		t.Errorf("the second got %d transactions", n)
	}
}

func TestBroadcast_RefusalAfterAnUnknownFateIsNoRefusal(t *testing.T) {
	a, b := startFake(t), startFake(t)
	swallows := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readAll(r)
		if err != nil || bytes.Contains(body, []byte("broadcast_tx_sync")) {
			panic(http.ErrAbortHandler) // taken, and never answered
		}
		a.serveRPC(w, r)
	}))
	defer swallows.Close()
	cfg := fakesConfig(a, b)
	cfg.TxRPCURLs[0] = swallows.URL
	node := dialNode(t, cfg)
	b.set(func(f *fakeNode) {
		f.results["broadcast_tx_sync"] = json.RawMessage(`{"code":13,"codespace":"sdk","log":"insufficient fee","hash":"00"}`)
	})
	err := node.Broadcast(testContext(t), []byte("tx"))
	var refusal *Refusal
	if !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNotSent) || errors.As(err, &refusal) ||
		!strings.Contains(err.Error(), "insufficient fee") {
		t.Errorf("got %v", err)
	}
}

func TestFollower_NodeWithAnotherHistoryIsDisowned(t *testing.T) {
	for _, test := range []struct {
		name   string
		height int64
	}{
		{"next block of another parent", 6}, {"last block with another hash", 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			feed := newTestFeed(5)
			follower, heights := testFollower(feed, 0)
			if err := follower.catchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := follower.hear(t.Context(), testHead("b", test.height)); !errors.Is(err, ErrChainRegressed) {
				t.Errorf("got %v", err)
			}
			if len(feed.disowned) != 1 || feed.disowned[0].block.Height != test.height {
				t.Errorf("disowned are %v", feed.disowned)
			}
			if len(*heights) != 1 {
				t.Errorf("emitted %v", *heights)
			}
		})
	}
}

func TestFollower_NodeAFewBlocksBehindAnotherHasNotGoneBack(t *testing.T) {
	feed := newTestFeed(5)
	follower, heights := testFollower(feed, 0)
	follower.tolerance = maxLag
	if err := follower.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		height int64
		is     error
	}{{3, nil}, {2, ErrChainRegressed}, {6, nil}} {
		feed.height = test.height
		if err := follower.catchUp(t.Context()); !errors.Is(err, test.is) {
			t.Errorf("at %d: %v", test.height, err)
		}
	}
	if got := *heights; len(got) != 2 || got[0] != 5 || got[1] != 6 {
		t.Errorf("emitted %v", got)
	}
}

func TestNode_DisownedNodeIsNotFollowedAnyMore(t *testing.T) {
	a, b := startFake(t), startFake(t)
	b.at(12)
	node := dialFakes(t, a, b)
	from := node.query.servers[0]
	node.disown(head{from: from}, ErrChainRegressed)
	asked := a.count("abci_info")
	if height, err := node.latest(testContext(t)); err != nil || height != 12 {
		t.Errorf("got %d, %v", height, err)
	}
	if n := a.count("abci_info"); n > asked+1 { // one look may be on its way
		t.Errorf("asked %d times since", n-asked)
	}
	if stats := node.Stats().QueryRPC; stats.Endpoint != b.rpc.URL || stats.Usable != 1 {
		t.Errorf("stats are %+v", stats)
	}
}

// readAll reads a request and leaves it to be read once more.
func readAll(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}
