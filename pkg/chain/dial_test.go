package chain

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// nobody is an address that nothing listens on.
const nobody = "127.0.0.1:1"

func TestDial_ConfigurationThatCannotBeRight(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no chain id": {QueryGRPCURLs: []string{nobody}, TxRPCURLs: []string{nobody}},
		"no grpc":     {TxRPCURLs: []string{nobody}, ChainID: "x"},
		"no rpc":      {QueryGRPCURLs: []string{nobody}, ChainID: "x"},
		"odd scheme":  {QueryGRPCURLs: []string{"unix:///socket"}, TxRPCURLs: []string{nobody}, ChainID: "x"},
	} {
		if _, err := Dial(t.Context(), cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDial_UnreachableNodeIsNamed(t *testing.T) {
	f, _ := newFakeNode(t)
	for name, cfg := range map[string]Config{
		"grpc":   {QueryGRPCURLs: []string{nobody}, TxRPCURLs: []string{f.rpc.URL}},
		"rpc":    {QueryGRPCURLs: []string{f.grpcAddr}, QueryRPCURLs: []string{"http://user:secret@" + nobody}, TxRPCURLs: []string{f.rpc.URL}},
		"tx rpc": {QueryGRPCURLs: []string{f.grpcAddr}, QueryRPCURLs: []string{f.rpc.URL}, TxRPCURLs: []string{nobody}},
	} {
		cfg.ChainID, cfg.Timeout, cfg.Logger = testChainID, 100*time.Millisecond, slog.New(slog.DiscardHandler)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := Dial(ctx, cfg)
		cancel()
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), nobody) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDial_WrongChainOfAnyServerIsFound(t *testing.T) {
	f, _ := newFakeNode(t)
	cfg := Config{
		QueryGRPCURLs: []string{f.grpcAddr}, TxRPCURLs: []string{f.rpc.URL}, ChainID: testChainID,
		Timeout: time.Second, Logger: slog.New(slog.DiscardHandler),
	}
	f.set(func(f *fakeNode) {
		f.results["status"] = json.RawMessage(`{"node_info":{"network":"elsewhere"},"sync_info":{}}`)
	})
	if _, err := Dial(t.Context(), cfg); !errors.Is(err, ErrWrongChainID) || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("got %v", err)
	}
}

func TestBroadcast_RepliesAreToldApart(t *testing.T) {
	f, node := newFakeNode(t)
	for _, test := range []struct {
		name    string
		reply   any
		refusal error // nil if none
		err     bool
	}{
		{"accepted", json.RawMessage(`{"code":0,"hash":"00"}`), nil, false},
		{"known to the node", errors.New("tx already exists in cache"), nil, false},
		{"known to the application", json.RawMessage(`{"code":19,"codespace":"sdk","hash":"00"}`), nil, false},
		{"fee too low", json.RawMessage(`{"code":13,"codespace":"sdk","log":"insufficient fee","hash":"00"}`), sdkerrors.ErrInsufficientFee, true},
		{"full", errors.New("mempool is full: number of txs 5000 (max: 5000)"), sdkerrors.ErrMempoolIsFull, true},
		{"too large", errors.New("Tx too large. Max size is 1048576, but got 2000000"), sdkerrors.ErrTxTooLarge, true},
		{"larger than a block", errors.New("tx pre check: tx size is too big: 300, max: 200"), sdkerrors.ErrTxTooLarge, true},
		{"checking its mempool again", errors.New("mempool is still rechecking after a new committed block, so it is considered as full"), sdkerrors.ErrMempoolIsFull, true},
		{"another error of the node", errors.New("panic"), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.set(func(f *fakeNode) { f.results["broadcast_tx_sync"] = test.reply })
			err := node.Broadcast(t.Context(), []byte("tx"))
			if (err != nil) != test.err {
				t.Fatalf("got %v", err)
			}
			var refusal *Refusal
			if got := errors.As(err, &refusal); got != (test.refusal != nil) {
				t.Errorf("refusal is %v", refusal)
			}
			if test.refusal != nil && !errors.Is(err, test.refusal) {
				t.Errorf("%v is not %v", err, test.refusal)
			}
		})
	}
	f.rpc.Close()
	node.http.CloseIdleConnections() // or the end of one of them is seen first
	var refusal *Refusal
	err := node.Broadcast(t.Context(), []byte("tx"))
	if !errors.Is(err, ErrUnreachable) || !errors.Is(err, ErrNotSent) || errors.As(err, &refusal) {
		t.Errorf("dead node: %v", err)
	}
}

func TestSimulate_RefusalIsToldFromSilence(t *testing.T) {
	f, node := newFakeNode(t)
	var code codes.Code
	f.answers[methodSimulate] = func() (any, error) { return nil, status.Error(code, "words") }
	for _, test := range []struct {
		code    codes.Code
		refused bool
	}{
		{codes.Unknown, true}, {codes.InvalidArgument, true}, {codes.Internal, true}, {codes.NotFound, true},
		{codes.ResourceExhausted, false}, {codes.Unimplemented, false}, {codes.PermissionDenied, false},
	} {
		code = test.code
		_, err := node.Simulate(t.Context(), []byte("tx"))
		var refusal *Refusal
		if errors.As(err, &refusal) != test.refused || err == nil {
			t.Errorf("%v: got %v", test.code, err)
		}
		if test.refused && (refusal.Log != "words" || refusal.Code != uint32(test.code) || refusal.Codespace != SimulationCodespace) {
			t.Errorf("%v: got %+v", test.code, refusal)
		}
	}
}

func TestRefusal_IsTheRegisteredErrorOfItsCode(t *testing.T) {
	refusal := error(&Refusal{Codespace: "sdk", Code: 13})
	if !errors.Is(refusal, sdkerrors.ErrInsufficientFee) {
		t.Error("sdk/13 is not insufficient fee")
	}
	for _, other := range []error{sdkerrors.ErrOutOfGas, ErrUnreachable, &Refusal{Codespace: "proof", Code: 13}} {
		if errors.Is(refusal, other) {
			t.Errorf("sdk/13 is %v", other)
		}
	}
}
