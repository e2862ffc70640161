package faultnode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	"github.com/gorilla/websocket"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const broadcast = "broadcast_tx_sync"

func (w *world) broadcast(ctx context.Context) (*ctypes.ResultBroadcastTx, error) {
	return w.rpc.BroadcastTxSync(ctx, []byte("a transaction"))
}

func TestFaults_OfBroadcasts(t *testing.T) {
	lost := func(_ *ctypes.ResultBroadcastTx, err error) bool { return errors.Is(err, context.Canceled) }
	taken := func(r *ctypes.ResultBroadcastTx, err error) bool { return err == nil && r.Code == 0 }
	answered := func(code int, data string) func(*ctypes.ResultBroadcastTx, error) bool {
		return func(_ *ctypes.ResultBroadcastTx, err error) bool {
			var said *rpctypes.RPCError
			return errors.As(err, &said) && said.Code == code && said.Data == data
		}
	}
	for _, tc := range []struct {
		name     string
		fault    Fault
		want     func(*ctypes.ResultBroadcastTx, error) bool
		received int
		silent   bool // the client must give up
	}{
		{"drop", Drop(), lost, 0, true},
		{"lose the answer", LoseAnswer(), lost, 1, true},
		{"duplicate", Duplicate(), taken, 2, false},
		{"a moment's delay", Delay(time.Millisecond), taken, 1, false},
		{"a delay beyond the client's patience", Delay(time.Hour), lost, 0, true},
		{"swallow", Swallow(), taken, 0, false},
		{"cut", Cut(), func(_ *ctypes.ResultBroadcastTx, err error) bool { return errors.Is(err, io.EOF) }, 0, false},
		{"fail", Fail(), func(_ *ctypes.ResultBroadcastTx, err error) bool {
			var said *rpctypes.RPCError
			return err != nil && !errors.As(err, &said)
		}, 0, false},
		{"http status", RejectHTTP(429, "slow down"), func(_ *ctypes.ResultBroadcastTx, err error) bool {
			return err != nil && strings.Contains(err.Error(), "429")
		}, 0, false},
		{"json-rpc error", RejectRPC(-32603, "Internal error", "mempool is full"), answered(-32603, "mempool is full"), 0, false},
		{"refuse", RefuseTx("sdk", 13, "insufficient fee"), func(r *ctypes.ResultBroadcastTx, err error) bool {
			return err == nil && r.Code == 13 && r.Codespace == "sdk" && r.Log == "insufficient fee" &&
				fmt.Sprintf("%X", r.Hash) == "6BC9E91ED170A2E2D97883EBEE8849C7A5AB0DE48EF6287CE17470205EA2E6FF"
		}, 0, false},
		{"another protocol's", RejectGRPC(codes.Internal, "oops"), taken, 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			rule := w.add(Rule{Methods: []string{broadcast}, Fault: tc.fault})
			ctx := w.ctx
			if tc.silent {
				ctx = w.unanswered(t, rule, "tx:a transaction", tc.received)
			}
			result, err := w.broadcast(ctx)
			if !tc.want(result, err) {
				t.Errorf("the client got %+v, %v", result, err)
			}
			if got := w.node.receipts("tx:a transaction"); got != tc.received || rule.Hits() != 1 {
				t.Errorf("the node received it %d times, want %d; %d hits", got, tc.received, rule.Hits())
			}
			rule.Remove()
			if result, err := w.broadcast(w.ctx); !taken(result, err) {
				t.Errorf("after the rule's end: %+v, %v", result, err)
			}
		})
	}
}

func TestFaults_OfGRPCCalls(t *testing.T) {
	for _, tc := range []struct {
		name     string
		fault    Fault
		want     codes.Code
		received int
	}{
		{"drop", Drop(), codes.Canceled, 0},
		{"lose the answer", LoseAnswer(), codes.Canceled, 1},
		{"duplicate", Duplicate(), codes.OK, 2},
		{"cut", Cut(), codes.Unavailable, 0},
		{"fail", Fail(), codes.Unavailable, 0},
		{"reject", RejectGRPC(codes.ResourceExhausted, "too many"), codes.ResourceExhausted, 0},
		{"another protocol's", RejectRPC(1, "oops", ""), codes.OK, 1},
		{"not a broadcast", Swallow(), codes.OK, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			rule := w.add(Rule{Methods: []string{"cosmos.base.*"}, Protocol: GRPC, First: 1, Fault: tc.fault})
			ctx := w.ctx
			if tc.want == codes.Canceled {
				ctx = w.unanswered(t, rule, nodeInfo, tc.received)
			}
			if _, err := w.info(ctx); status.Code(err) != tc.want {
				t.Errorf("the client got %v", err)
			}
			if got := w.node.receipts(nodeInfo); got != tc.received || rule.Hits() != 1 {
				t.Errorf("the node received it %d times, want %d; %d hits", got, tc.received, rule.Hits())
			}
			if _, err := w.info(w.ctx); err != nil {
				t.Errorf("after the first: %v", err)
			}
		})
	}
}

func TestFaults_OfEvents(t *testing.T) {
	for _, tc := range []struct {
		name string
		rule Rule
		want []int64
	}{
		{"silence", Rule{First: 2, Fault: Drop()}, []int64{13, 14}},
		{"duplicate", Rule{First: 1, Fault: Duplicate()}, []int64{11, 11, 12, 13, 14}},
		{"fail", Rule{Every: 2, Fault: Fail()}, []int64{11, 13}},
		{"reorder", Rule{First: 3, Fault: Reorder(2)}, []int64{12, 13, 11, 14}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.subscribe()
			tc.rule.Methods = []string{Event}
			rule := w.add(tc.rule)
			var got []int64
			for n := range 4 {
				w.node.push(1)
				check(t, w.AwaitCalls(w.ctx, Event, n+1))
				check(t, rule.Await(w.ctx, min((n+1)/max(tc.rule.Every, 1), cmp.Or(tc.rule.First, 4))))
				// Held back events aside, each has reached the client or has not
				// when the next one comes.
				got = append(got, s.heights(reached(tc.want, n)-len(got))...)
			}
			if got = append(got, s.heights(len(tc.want)-len(got))...); !slices.Equal(got, tc.want) {
				t.Errorf("got blocks %d, want %d", got, tc.want)
			}
		})
	}
}

// reached returns how many of the events that are wanted have come when the n-th of
// the blocks from 11 on was announced, those that wait for a later one aside.
func reached(want []int64, n int) int {
	expected := 0
	for _, height := range want {
		if height > int64(11+n) {
			break
		}
		expected++
	}
	return expected
}

func TestFaults_OfWebSockets(t *testing.T) {
	broken := func(s *subscriber) bool {
		_, _, err := s.conn.ReadMessage()
		var timeout net.Error
		return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
	}
	t.Run("all are cut", func(t *testing.T) {
		w := newWorld(t)
		first, second := w.subscribe(), w.subscribe()
		if n := w.CutWebSockets(); n != 2 {
			t.Errorf("%d were cut", n)
		}
		if !broken(first) || !broken(second) {
			t.Error("a websocket is not broken")
		}
		w.subscribe()
	})
	t.Run("cut at an event", func(t *testing.T) {
		w := newWorld(t)
		s := w.subscribe()
		w.add(Rule{Methods: []string{Event}, First: 1, Fault: Cut()})
		w.node.push(1)
		if !broken(s) {
			t.Error("the websocket is not broken")
		}
	})
	t.Run("refused subscription", func(t *testing.T) {
		w := newWorld(t)
		w.add(Rule{Methods: []string{"subscribe"}, First: 1, Fault: RejectRPC(-32603, "Internal error", "max_subscriptions_per_client 5 reached")})
		s := w.dialEvents()
		check(t, s.conn.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":3,"method":"subscribe","params":{}}`)))
		var response rpctypes.RPCResponse
		check(t, response.UnmarshalJSON(s.read()))
		if response.Error == nil || response.ID != rpctypes.JSONRPCIntID(3) || w.node.receipts("subscribe") != 0 {
			t.Errorf("got %+v", response)
		}
		w.subscribe()
	})
}

func TestReorder_HoldsTheFirstBackUntilTheOthersHavePassed(t *testing.T) {
	w := newWorld(t)
	rule := w.add(Rule{Methods: []string{"status", "header", "block"}, Fault: Reorder(2)})
	first := make(chan error, 1)
	go func() { first <- errOf(w.rpc.Status(w.ctx)) }()
	check(t, rule.Await(w.ctx, 1))
	height := int64(3)
	check(t, errOf(w.rpc.Header(w.ctx, &height)))
	check(t, errOf(w.rpc.Block(w.ctx, &height)))
	check(t, <-first)
	if got := w.node.log(); !slices.Equal(got, []string{"header", "block", "status"}) {
		t.Errorf("the node received %q", got)
	}
	go func() { first <- errOf(w.rpc.Status(w.ctx)) }()
	check(t, rule.Await(w.ctx, 4))
	rule.Remove()
	check(t, <-first)
}
