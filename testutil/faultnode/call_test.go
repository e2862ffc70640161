package faultnode

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
)

// exampleTx carries a claim and a proof, as far as their types go.
func exampleTx(t testing.TB) []byte {
	t.Helper()
	body, err := (&txtypes.TxBody{Messages: []*codectypes.Any{
		{TypeUrl: "/pocket.proof.MsgCreateClaim"}, {TypeUrl: "/pocket.proof.MsgSubmitProof"},
	}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := (&txtypes.TxRaw{BodyBytes: body}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCall_TellsItsTransaction(t *testing.T) {
	tx := exampleTx(t)
	simulate, err := (&txtypes.SimulateRequest{TxBytes: tx}).Marshal()
	check(t, err)
	broadcast, err := (&txtypes.BroadcastTxRequest{TxBytes: tx}).Marshal()
	check(t, err)
	params := fmt.Appendf(nil, `{"tx":%q}`, base64.StdEncoding.EncodeToString(tx))
	for _, call := range []*Call{
		{Protocol: RPC, Method: "broadcast_tx_sync", Body: params},
		{Protocol: WebSocket, Method: "broadcast_tx_async", Body: params},
		{Protocol: RPC, Method: "broadcast_tx_commit", query: url.Values{"tx": {"0x" + hex.EncodeToString(tx)}}},
		{Protocol: RPC, Method: "broadcast_tx_sync", query: url.Values{"tx": {`"` + string(tx) + `"`}}},
		{Protocol: GRPC, Method: "cosmos.tx.v1beta1.Service/Simulate", Body: simulate},
		{Protocol: GRPC, Method: "cosmos.tx.v1beta1.Service/BroadcastTx", Body: broadcast},
	} {
		got, err := call.Tx()
		if err != nil || !bytes.Equal(got, tx) {
			t.Errorf("%s: %x, %v", call.Method, got, err)
		}
		want := []string{"/pocket.proof.MsgCreateClaim", "/pocket.proof.MsgSubmitProof"}
		if got := call.Messages(); !slices.Equal(got, want) {
			t.Errorf("%s carries %q", call.Method, got)
		}
		if !call.Carries("MsgSubmitProof") || call.Carries("SubmitProof") || call.Carries("MsgSend") {
			t.Errorf("%s: what it carries is told wrong", call.Method)
		}
	}
	for _, call := range []*Call{
		{Protocol: RPC, Method: "status"},
		{Protocol: RPC, Method: "broadcast_tx_sync"},
		{Protocol: RPC, Method: "broadcast_tx_sync", Body: []byte(`{"tx":"%"}`)},
		{Protocol: GRPC, Method: "cosmos.tx.v1beta1.Service/Simulate", Body: []byte{0xff}},
	} {
		if tx, err := call.Tx(); err == nil {
			t.Errorf("%+v has transaction %x", call, tx)
		}
	}
}

// Whatever a client sends, a fault can look at it.
func FuzzCall(f *testing.F) {
	f.Add("broadcast_tx_sync", []byte(`{"tx":"Cg==","height":"5"}`))
	f.Add("blockchain", []byte(`{"minHeight":3}`))
	f.Add("header", []byte(`null`))
	f.Add("cosmos.tx.v1beta1.Service/Simulate", exampleTx(f))
	f.Fuzz(func(t *testing.T, method string, body []byte) {
		for _, protocol := range []Protocol{RPC, GRPC} {
			call := &Call{Protocol: protocol, Method: method, Body: body}
			_ = call.Messages()
			changed, err := call.withHeight("height", 7)
			if err == nil && (changed.height("height") != 7 || !json.Valid(changed.Body)) {
				t.Errorf("the height in %s is %d", changed.Body, changed.height("height"))
			}
		}
		isEvent(body)
	})
}
