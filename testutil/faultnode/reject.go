package faultnode

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// internalError is the JSON-RPC code of everything that a node fails to do
// (CometBFT: rpc/jsonrpc/types, RPCInternalError).
const internalError = -32603

// Fail fails calls of any protocol as an overloaded proxy in front of a node
// does: HTTP status 503, gRPC status unavailable. A request over the websocket is
// answered with an error, an event is lost. The node never sees the call.
func Fail() Fault {
	return FaultFunc(func(_ context.Context, call *Call, _ Handler) *Answer {
		switch {
		case call.Method == Event:
			return nil
		case call.Protocol == GRPC:
			return &Answer{Err: status.Error(codes.Unavailable, "injected fault")}
		case call.Protocol == WebSocket:
			return rpcError(call, internalError, "Internal error", "injected fault")
		}
		return &Answer{Status: http.StatusServiceUnavailable, Body: []byte("injected fault\n")}
	})
}

// RejectHTTP answers RPC calls with an HTTP status and text. Other calls pass.
func RejectHTTP(code int, text string) Fault {
	return FaultFunc(func(ctx context.Context, call *Call, next Handler) *Answer {
		if call.Protocol != RPC {
			return next(ctx, call)
		}
		return &Answer{Status: code, Body: []byte(text)}
	})
}

// RejectRPC answers RPC calls, also over the websocket, with a JSON-RPC error. A
// node's own errors have code -32603, message "Internal error", and say in data
// what is wrong. Other calls and events pass.
func RejectRPC(code int, message, data string) Fault {
	return FaultFunc(func(ctx context.Context, call *Call, next Handler) *Answer {
		if call.Protocol == GRPC || call.Method == Event {
			return next(ctx, call)
		}
		return rpcError(call, code, message, data)
	})
}

// RejectGRPC answers gRPC calls with a status. Other calls pass.
func RejectGRPC(code codes.Code, message string) Fault {
	return FaultFunc(func(ctx context.Context, call *Call, next Handler) *Answer {
		if call.Protocol != GRPC {
			return next(ctx, call)
		}
		return &Answer{Err: status.Error(code, message)}
	})
}

// RefuseTx answers broadcasts of transactions as a node whose CheckTx refuses
// them with a code other than 0, for example sdk 13 for a fee that is too low.
// The node never sees the transaction. Other calls pass.
func RefuseTx(codespace string, code uint32, log string) Fault {
	return FaultFunc(func(ctx context.Context, call *Call, next Handler) *Answer {
		tx, err := broadcastTx(call)
		if err != nil {
			return next(ctx, call)
		}
		return checked(call, tx, codespace, code, log)
	})
}

// Swallow answers broadcasts of transactions as if they had been taken, and
// forgets them. Other calls pass.
func Swallow() Fault { return RefuseTx("", 0, "[]") }

// broadcastTx returns the transaction that an RPC call broadcasts.
func broadcastTx(call *Call) ([]byte, error) {
	if call.Protocol == GRPC {
		return nil, errNoTx
	}
	return call.Tx()
}

// checked is the answer to a broadcast after CheckTx (CometBFT: rpc/core,
// ResultBroadcastTx).
func checked(call *Call, tx []byte, codespace string, code uint32, log string) *Answer {
	result, err := json.Marshal(map[string]any{
		"code": code, "data": "", "log": log, "codespace": codespace,
		"hash": fmt.Sprintf("%X", sha256.Sum256(tx)),
	})
	return respond(call, "result", result, err)
}

// rpcError is the answer of a node that fails.
func rpcError(call *Call, code int, message, data string) *Answer {
	failure, err := json.Marshal(map[string]any{"code": code, "message": message, "data": data})
	return respond(call, "error", failure, err)
}

// respond is a JSON-RPC response with a result or an error.
func respond(call *Call, field string, value []byte, err error) *Answer {
	if err != nil {
		return broken(err)
	}
	id := call.id
	if len(id) == 0 {
		id = json.RawMessage("-1") // that of a call in the form of a URI
	}
	body, err := json.Marshal(map[string]json.RawMessage{
		"jsonrpc": json.RawMessage(`"2.0"`), "id": id, field: value,
	})
	if err != nil {
		return broken(err)
	}
	return &Answer{Body: body}
}

// broken is the answer of a proxy that cannot do what a fault demands. Nodes do
// not answer like that, so that tests notice.
func broken(err error) *Answer {
	text := fmt.Sprintf("faultnode: %v", err)
	return &Answer{Status: http.StatusNotImplemented, Body: []byte(text), Err: status.Error(codes.Unimplemented, text)}
}
