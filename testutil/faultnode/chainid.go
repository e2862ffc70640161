package faultnode

import (
	"bytes"
	"context"
	"strconv"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
)

// nodeInfo is the gRPC method that tells the chain id.
const nodeInfo = "cosmos.base.tendermint.v1beta1.Service/GetNodeInfo"

// ChainID answers as a node of another chain: wherever an answer over RPC or an
// event names one chain id it names the other, and so does the information about
// the node over gRPC. Other answers over gRPC stay as they are.
func ChainID(from, to string) Fault {
	old, renamed := []byte(strconv.Quote(from)), []byte(strconv.Quote(to))
	return FaultFunc(func(ctx context.Context, call *Call, next Handler) *Answer {
		if call.Method == Event {
			changed := *call
			changed.Body = bytes.ReplaceAll(call.Body, old, renamed)
			return next(ctx, &changed)
		}
		answer := next(ctx, call)
		switch {
		case answer == nil:
		case call.Protocol != GRPC:
			answer.Body = bytes.ReplaceAll(answer.Body, old, renamed)
		case call.Method == nodeInfo && answer.Err == nil:
			return renameNode(answer, from, to)
		}
		return answer
	})
}

func renameNode(answer *Answer, from, to string) *Answer {
	var info cmtservice.GetNodeInfoResponse
	if err := info.Unmarshal(answer.Body); err != nil {
		return broken(err)
	}
	if info.DefaultNodeInfo != nil && info.DefaultNodeInfo.Network == from {
		info.DefaultNodeInfo.Network = to
	}
	body, err := info.Marshal()
	if err != nil {
		return broken(err)
	}
	changed := *answer
	changed.Body = body
	return &changed
}
