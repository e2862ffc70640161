package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	cmtjson "github.com/cometbft/cometbft/libs/json"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	comettypes "github.com/cometbft/cometbft/types"
	"github.com/gorilla/websocket"
)

// testHeader is a header that is complete enough to have a hash.
func testHeader(height int64) comettypes.Header {
	return comettypes.Header{
		ChainID: testChainID, Height: height, Time: genesis,
		ValidatorsHash: make([]byte, 32), NextValidatorsHash: make([]byte, 32), ConsensusHash: make([]byte, 32),
		ProposerAddress: make([]byte, 20),
	}
}

// announcement is the message with which a node announces a block.
func announcement(t testing.TB, header comettypes.Header) []byte {
	t.Helper()
	event, err := cmtjson.Marshal(ctypes.ResultEvent{
		Query: newBlockHeaders, Data: comettypes.EventDataNewBlockHeader{Header: header},
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"result":%s}`, event)
}

func TestParseEvent(t *testing.T) {
	header := testHeader(7)
	for _, test := range []struct {
		name    string
		message []byte
		height  int64 // 0 if the message carries no block
		err     error
	}{
		{"block", announcement(t, header), 7, nil},
		{"confirmation of the subscription", []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`), 0, nil},
		{"end of the subscription", []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Server error","data":"slow client"}}`), 0, errSubscriptionEnded},
		{"no json", []byte(`<html>`), 0, ErrMalformed},
		{"incomplete header", announcement(t, comettypes.Header{Height: 7}), 0, ErrMalformed},
		{"block without height", announcement(t, testHeader(0)), 0, ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, ok, err := parseEvent(test.message)
			if !errors.Is(err, test.err) || ok != (test.height > 0) {
				t.Fatalf("got %v, %v", ok, err)
			}
			if ok && (h.block.Height != test.height || string(h.block.Hash) != string(header.Hash())) {
				t.Errorf("got %+v", h.block)
			}
		})
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(announcement(f, testHeader(7)))
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":{}}`))
	f.Add([]byte(`{"id":"x","error":null,"result":{"data":{"type":"tendermint/event/NewBlockHeader","value":{"header":{"height":"-1"}}}}}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		h, ok, err := parseEvent(message)
		if ok && (err != nil || h.block == nil || h.block.Height < 1 || len(h.block.Hash) != 32) {
			t.Errorf("accepted %+v, %v", h, err)
		}
	})
}

func TestSubscribe_DeliversUntilTheServerHangsUpOrTheCallerLeaves(t *testing.T) {
	_, node := newFakeNode(t)
	script := make(chan func(*websocket.Conn) error)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "operator" || password != "secret" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return // the client has seen why
		}
		defer conn.Close()
		if _, _, err := conn.ReadMessage(); err != nil { // the subscription
			return
		}
		for act := range script {
			if err := act(conn); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	defer close(script)
	at, err := parseRPC(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	node.query.servers[0].rpc.at = at
	if err := node.subscribe(t.Context(), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("without password: %v", err)
	}

	if node.query.servers[0].rpc.at, err = parseRPC("http://operator:secret@" + at.url.Host); err != nil {
		t.Fatal(err)
	}
	announce := func(height int64) func(*websocket.Conn) error {
		message := announcement(t, testHeader(height))
		return func(conn *websocket.Conn) error { return conn.WriteMessage(websocket.TextMessage, message) }
	}
	heights := make(chan int64, 10)
	deliver := func(h head) { heights <- h.block.Height }
	ended := make(chan error, 1)
	go func() { ended <- node.subscribe(testContext(t), deliver) }()
	script <- announce(11)
	script <- announce(12)
	if a, b := <-heights, <-heights; a != 11 || b != 12 {
		t.Errorf("delivered %d and %d", a, b)
	}
	if seen := node.seen.Load(); seen != 12 {
		t.Errorf("highest block seen is %d", seen)
	}
	script <- func(*websocket.Conn) error { return errors.New("hang up") }
	if err := <-ended; !errors.Is(err, ErrUnreachable) {
		t.Errorf("after the server hung up: %v", err)
	}

	ctx, cancel := context.WithCancel(testContext(t))
	go func() { ended <- node.subscribe(ctx, deliver) }()
	script <- announce(13)
	<-heights
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller left: %v", err)
	}
	script <- func(*websocket.Conn) error { return errors.New("end of the test") }
}
