package chain

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	cmtlog "github.com/cometbft/cometbft/libs/log"
	rpcserver "github.com/cometbft/cometbft/rpc/jsonrpc/server"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

func TestBlockLimits_AreThoseOfTheConsensusParameters(t *testing.T) {
	f, node := newFakeNode(t)
	for _, test := range []struct {
		params string
		want   BlockLimits
		err    error
	}{
		{`{"max_bytes":"22020096","max_gas":"-1"}`, BlockLimits{Bytes: 22020096}, nil},
		{`{"max_bytes":"-1","max_gas":"4000000"}`, BlockLimits{Gas: 4000000}, nil},
		{`{"max_bytes":"0","max_gas":"1"}`, BlockLimits{}, ErrMalformed},
		{`{"max_bytes":"1","max_gas":"-2"}`, BlockLimits{}, ErrMalformed},
	} {
		f.set(func(f *fakeNode) {
			f.results["consensus_params"] = json.RawMessage(`{"block_height":"7","consensus_params":{"block":` + test.params + `}}`)
		})
		if limits, err := node.BlockLimits(t.Context()); limits != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: got %+v, %v", test.params, limits, err)
		}
	}
}

// A node's own server refuses a body that is too large, and so does a proxy.
func TestBroadcast_RequestThatIsTooLargeIsARefusal(t *testing.T) {
	mux := http.NewServeMux()
	rpcserver.RegisterRPCFuncs(mux, map[string]*rpcserver.RPCFunc{}, cmtlog.NewNopLogger())
	config := rpcserver.DefaultConfig()
	config.MaxBodyBytes = 1000
	for name, handler := range map[string]http.Handler{
		"node": rpcserver.PreChecksHandler(mux, config),
		"proxy": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>", http.StatusRequestEntityTooLarge)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			_, node := newFakeBehind(t, func(inner http.HandlerFunc) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if r.ContentLength > 1000 {
						handler.ServeHTTP(w, r)
						return
					}
					inner(w, r)
				}
			})
			err := node.Broadcast(t.Context(), []byte(strings.Repeat("x", 5000)))
			var refusal *Refusal
			if !errors.As(err, &refusal) || !errors.Is(err, sdkerrors.ErrTxTooLarge) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// newFakeBehind returns a node behind a proxy, and a connection to it.
func newFakeBehind(t *testing.T, proxy func(http.HandlerFunc) http.HandlerFunc) (*fakeNode, *Node) {
	f := startFake(t)
	front := httptest.NewServer(proxy(f.serveRPC))
	t.Cleanup(front.Close)
	cfg := fakesConfig(f)
	cfg.TxRPCURLs = []string{front.URL}
	return f, dialNode(t, cfg)
}

func TestExplain_TellsCodespaceAndCode(t *testing.T) {
	var away atomic.Bool
	f, node := newFakeBehind(t, func(inner http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if away.Load() {
				panic(http.ErrAbortHandler)
			}
			inner(w, r)
		}
	})
	answer := func(reply any) {
		f.set(func(f *fakeNode) { f.results["abci_query"] = reply })
	}
	answer(json.RawMessage(`{"response":{"code":37,"codespace":"sdk","log":"unordered transactions are not enabled"}}`))
	if refusal, err := node.Explain(t.Context(), []byte("tx")); err != nil || !errors.Is(refusal, sdkerrors.ErrNotSupported) {
		t.Errorf("got %v, %v", refusal, err)
	}
	answer(json.RawMessage(`{"response":{"code":0,"codespace":"sdk"}}`))
	if refusal, err := node.Explain(t.Context(), []byte("tx")); err != nil || refusal != nil {
		t.Errorf("got %v, %v", refusal, err)
	}
	answer(errors.New("abci_query is not served here"))
	if refusal, err := node.Explain(t.Context(), []byte("tx")); err == nil || errors.Is(err, ErrUnreachable) || refusal != nil {
		t.Errorf("got %v, %v", refusal, err)
	}
	away.Store(true)
	if refusal, err := node.Explain(t.Context(), []byte("tx")); !errors.Is(err, ErrUnreachable) || refusal != nil {
		t.Errorf("got %v, %v", refusal, err)
	}
}
