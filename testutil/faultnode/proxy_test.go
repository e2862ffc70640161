package faultnode

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	grpctypes "github.com/cosmos/cosmos-sdk/types/grpc"
	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// get asks in the form of a URI.
func (w *world) get(path string) (string, int, error) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+w.RPC.addr+path, nil)
	check(w.t, err)
	return w.do(request)
}

// post asks with a body.
func (w *world) post(body string) (string, int, error) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "http://"+w.RPC.addr, strings.NewReader(body))
	check(w.t, err)
	return w.do(request)
}

func (w *world) do(request *http.Request) (string, int, error) {
	w.t.Helper()
	response, err := w.http.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(w.t, err)
	return string(body), response.StatusCode, nil
}

func TestProxy_WithoutRulesIsTheNode(t *testing.T) {
	w := newWorld(t)
	t.Run("json-rpc", func(t *testing.T) {
		height := int64(7)
		result, err := w.rpc.Header(w.ctx, &height)
		check(t, err)
		if result.Header.Height != 7 || result.Header.ChainID != chainID {
			t.Errorf("got %+v", result.Header)
		}
		if _, err := w.rpc.Genesis(w.ctx); err == nil || !strings.Contains(err.Error(), "Method not found") {
			t.Errorf("an unknown method: %v", err)
		}
	})
	t.Run("uri", func(t *testing.T) {
		body, code, err := w.get("/header?height=8")
		if err != nil || code != http.StatusOK || !strings.Contains(body, `"height":"8"`) {
			t.Errorf("got %d %s, %v", code, body, err)
		}
	})
	t.Run("batch", func(t *testing.T) {
		body, _, err := w.post(`[{"jsonrpc":"2.0","id":1,"method":"abci_info"},{"jsonrpc":"2.0","id":2,"method":"nonsense"}]`)
		if err != nil || !strings.HasPrefix(body, `[{"jsonrpc":"2.0","id":1,"result":`) || !strings.Contains(body, `"id":2,"error"`) {
			t.Errorf("got %s, %v", body, err)
		}
	})
	t.Run("garbage", func(t *testing.T) {
		if body, code, err := w.post("garbage"); err != nil || code != http.StatusBadRequest {
			t.Errorf("got %d %s, %v", code, body, err)
		}
	})
	t.Run("events", func(t *testing.T) {
		s := w.subscribe()
		w.node.push(3)
		if got := s.heights(3); !slices.Equal(got, []int64{11, 12, 13}) {
			t.Errorf("got blocks %d", got)
		}
	})
	t.Run("grpc", func(t *testing.T) {
		var header metadata.MD
		ctx := metadata.AppendToOutgoingContext(w.ctx, grpctypes.GRPCBlockHeightHeader, "5")
		network, err := w.info(ctx, grpc.Header(&header))
		check(t, err)
		if network != chainID || header.Get(grpctypes.GRPCBlockHeightHeader)[0] != "5" {
			t.Errorf("got %q at height %v", network, header)
		}
	})
	t.Run("grpc status and trailer", func(t *testing.T) {
		var trailer metadata.MD
		_, err := cmtservice.NewServiceClient(w.conn).GetSyncing(w.ctx, &cmtservice.GetSyncingRequest{}, grpc.Trailer(&trailer))
		if status.Code(err) != codes.NotFound || status.Convert(err).Message() != "no such thing" || len(trailer.Get("trail")) != 1 {
			t.Errorf("got %v with trailer %v", err, trailer)
		}
	})
}

func TestProxy_CountsWhatIsAskedAndWhatIsHandedOn(t *testing.T) {
	w := newWorld(t)
	lost := w.add(Rule{Methods: []string{"status"}, First: 1, Fault: Drop()})
	if _, err := w.rpc.Status(w.unanswered(t, lost, "status", 0)); !errors.Is(err, context.Canceled) {
		t.Fatalf("a dropped call: %v", err)
	}
	if _, err := w.rpc.Status(w.ctx); err != nil {
		t.Fatal(err)
	}
	check(t, w.AwaitCalls(w.ctx, "status", 2))
	if calls, forwarded, received := w.Calls("status"), w.Forwarded("status"), w.node.receipts("status"); calls != 2 || forwarded != 1 || received != 1 {
		t.Errorf("%d calls, %d handed on, %d received", calls, forwarded, received)
	}
	if err := w.AwaitCalls(w.short(), "status", 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a call that is not made: %v", err)
	}
	if err := lost.Await(w.short(), 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a fault that is not met: %v", err)
	}
}

func TestProxy_OfANodeThatIsGone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	gone := listener.Addr().String()
	check(t, listener.Close())
	w := newWorld(t)
	w.Proxy.node.rpcAddr = gone // nothing was asked yet
	if _, err := w.rpc.Status(w.ctx); !errors.Is(err, io.EOF) {
		t.Errorf("rpc: %v", err)
	}
	if _, _, err := websocket.DefaultDialer.DialContext(w.ctx, "ws://"+w.RPC.addr+"/websocket", nil); err == nil {
		t.Error("a websocket was opened")
	}
	other, err := Start(Config{RPCAddr: gone, GRPCAddr: gone})
	check(t, err)
	defer func() { check(t, other.Close()) }()
	conn, err := grpc.NewClient(other.GRPCURL, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	defer func() { check(t, conn.Close()) }()
	_, err = cmtservice.NewServiceClient(conn).GetNodeInfo(w.ctx, &cmtservice.GetNodeInfoRequest{})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("grpc: %v", err)
	}
}

func TestProxy_CloseEndsWhatWaits(t *testing.T) {
	for _, tc := range []struct {
		name  string
		stall func(*world)
	}{
		{"dropped calls", func(w *world) { w.add(Rule{Fault: Drop()}) }},
		{"frozen doors", func(w *world) { w.RPC.Freeze(); w.GRPC.Freeze() }},
		{"held calls", func(w *world) {
			w.add(Rule{Protocol: RPC, Fault: Reorder(9)})
			w.add(Rule{Protocol: GRPC, Fault: Reorder(9)})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.subscribe()
			// So that both connections are there.
			check(t, errOf(w.rpc.Status(w.ctx)))
			check(t, errOf(w.info(w.ctx)))
			tc.stall(w)
			ended := make(chan error, 2)
			go func() { ended <- errOf(w.rpc.Status(w.ctx)) }()
			go func() { ended <- errOf(w.info(w.ctx)) }()
			if tc.name != "frozen doors" {
				check(t, w.AwaitCalls(w.ctx, "status", 2))
				check(t, w.AwaitCalls(w.ctx, nodeInfo, 2))
			}
			check(t, w.Close())
			for range 2 {
				if err := <-ended; err == nil {
					t.Error("a call was answered by a closed proxy")
				}
			}
			if err := w.AwaitCalls(w.ctx, "status", 99); !errors.Is(err, ErrClosed) {
				t.Errorf("waiting on a closed proxy: %v", err)
			}
			if err := w.RPC.Admit(); !errors.Is(err, ErrClosed) {
				t.Errorf("opening a door of a closed proxy: %v", err)
			}
		})
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestStart_RefusesAddressesThatAreNone(t *testing.T) {
	for _, config := range []Config{{}, {RPCAddr: "127.0.0.1:1"}, {RPCAddr: "here", GRPCAddr: "127.0.0.1:1"}} {
		if p, err := Start(config); err == nil {
			t.Errorf("%+v was accepted", config)
			check(t, p.Close())
		}
	}
}
