package faultnode

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	grpctypes "github.com/cosmos/cosmos-sdk/types/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Lag answers as a node does that is some blocks behind: gRPC from the state of
// that block and with its height, RPC without the blocks and transactions above
// it, and events so many events late. Searches, and queries by hash other than of
// transactions, are answered as they are; broadcasts and simulations reach the
// newest state.
//
// A call for which it must ask the node about a height first fails if the node
// does not answer.
func (p *Proxy) Lag(blocks int64) Fault {
	l := &lag{node: &p.node, blocks: max(blocks, 0)}
	return Fault{begin: l.begin, release: l.release}
}

type lag struct {
	node   *node
	blocks int64

	mu   sync.Mutex
	held []chan struct{} // of events, oldest first; closed to let one go
	over bool            // holds nothing any more
}

func (l *lag) begin(call *Call) treatment {
	if call.Method == Event {
		return waitFor(l.hold())
	}
	return l.apply
}

func (l *lag) apply(ctx context.Context, call *Call, next Handler) *Answer {
	at, err := l.height(ctx)
	switch {
	case err != nil && call.Protocol == GRPC:
		return &Answer{Err: status.Error(codes.Unavailable, err.Error())}
	case err != nil:
		return &Answer{Cut: true}
	case call.Protocol == GRPC:
		return l.grpc(ctx, call, next, at)
	case call.Protocol == RPC:
		return l.rpc(ctx, call, next, at)
	}
	return next(ctx, call)
}

// height returns that of the block that the node pretends to be at.
func (l *lag) height(ctx context.Context) (int64, error) {
	var info struct {
		Response struct {
			LastBlockHeight int64 `json:"last_block_height,string"`
		} `json:"response"`
	}
	if err := l.node.ask(ctx, "abci_info", nil, &info); err != nil {
		return 0, err
	}
	return max(info.Response.LastBlockHeight-l.blocks, 1), nil
}

// hold returns what is closed when so many events have come after this one.
func (l *lag) hold() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	gate := make(chan struct{})
	l.held = append(l.held, gate)
	if l.over || int64(len(l.held)) > l.blocks {
		close(l.held[0])
		l.held = l.held[1:]
	}
	return gate
}

func (l *lag) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, gate := range l.held {
		close(gate)
	}
	l.held = nil
}

// grpc has the node answer from the state at a height, unless the caller wants
// one itself.
func (l *lag) grpc(ctx context.Context, call *Call, next Handler, at int64) *Answer {
	wanted := call.Header.Get(grpctypes.GRPCBlockHeightHeader)
	if len(wanted) > 0 {
		height, err := strconv.ParseInt(wanted[0], 10, 64)
		if err == nil && height > at {
			return &Answer{Err: status.Errorf(codes.InvalidArgument, "cannot query with height in the future; please provide a valid height: %d", height)}
		}
		if err == nil && height > 0 {
			return next(ctx, call)
		}
	}
	behind := *call
	behind.Header = call.Header.Copy()
	behind.Header.Set(grpctypes.GRPCBlockHeightHeader, strconv.FormatInt(at, 10))
	return next(ctx, &behind)
}

// rpc hides what is above a height.
func (l *lag) rpc(ctx context.Context, call *Call, next Handler, at int64) *Answer {
	switch call.Method {
	case "status":
		return l.status(ctx, next(ctx, call), at)
	case "abci_info":
		return l.abciInfo(ctx, next(ctx, call), at)
	case "header", "block", "block_results", "commit", "validators", "consensus_params", "abci_query":
		return l.atHeight(ctx, call, next, at)
	case "blockchain":
		return l.blockchain(ctx, call, next, at)
	case "tx":
		return l.tx(call, next(ctx, call), at)
	}
	return next(ctx, call)
}

// atHeight refuses a height that is too high, and makes it the newest if there is
// none.
func (l *lag) atHeight(ctx context.Context, call *Call, next Handler, at int64) *Answer {
	switch height := call.height("height"); {
	case height > at:
		return rpcError(call, internalError, "Internal error",
			fmt.Sprintf("height %d must be less than or equal to the current blockchain height %d", height, at))
	case height > 0:
		return next(ctx, call)
	}
	behind, err := call.withHeight("height", at)
	if err != nil {
		return broken(err)
	}
	return next(ctx, behind)
}

func (l *lag) blockchain(ctx context.Context, call *Call, next Handler, at int64) *Answer {
	lowest, highest := call.height("minHeight"), call.height("maxHeight")
	if lowest > at {
		return rpcError(call, internalError, "Internal error",
			fmt.Sprintf("min height %d can't be greater than max height %d", lowest, at))
	}
	if highest == 0 || highest > at {
		behind, err := call.withHeight("maxHeight", at)
		if err != nil {
			return broken(err)
		}
		call = behind
	}
	return edited(next(ctx, call), func(result map[string]any) error {
		result["last_height"] = strconv.FormatInt(at, 10)
		return nil
	})
}

func (l *lag) tx(call *Call, answer *Answer, at int64) *Answer {
	var found struct {
		Result struct {
			Hash   string `json:"hash"`
			Height int64  `json:"height,string"`
		} `json:"result"`
	}
	if answer == nil || json.Unmarshal(answer.Body, &found) != nil || found.Result.Height <= at {
		return answer
	}
	return rpcError(call, internalError, "Internal error", fmt.Sprintf("tx (%s) not found", found.Result.Hash))
}

// pastBlock is what a node says of a block in its status.
type pastBlock struct {
	BlockID struct {
		Hash string `json:"hash"`
	} `json:"block_id"`
	Block struct {
		Header struct {
			AppHash string `json:"app_hash"`
			Time    string `json:"time"`
		} `json:"header"`
	} `json:"block"`
}

func (l *lag) block(ctx context.Context, height int64) (b pastBlock, err error) {
	err = l.node.ask(ctx, "block", map[string]string{"height": strconv.FormatInt(height, 10)}, &b)
	return b, err
}

func (l *lag) status(ctx context.Context, answer *Answer, at int64) *Answer {
	return edited(answer, func(result map[string]any) error {
		b, err := l.block(ctx, at)
		if err != nil {
			return err
		}
		sync, ok := result["sync_info"].(map[string]any)
		if !ok {
			return fmt.Errorf("status without sync_info")
		}
		sync["latest_block_height"] = strconv.FormatInt(at, 10)
		sync["latest_block_hash"] = b.BlockID.Hash
		sync["latest_app_hash"] = b.Block.Header.AppHash
		sync["latest_block_time"] = b.Block.Header.Time
		return nil
	})
}

// abciInfo tells of the state after a block, whose hash is in the next block.
func (l *lag) abciInfo(ctx context.Context, answer *Answer, at int64) *Answer {
	return edited(answer, func(result map[string]any) error {
		response, ok := result["response"].(map[string]any)
		if !ok {
			return fmt.Errorf("abci_info without response")
		}
		response["last_block_height"] = strconv.FormatInt(at, 10)
		if l.blocks == 0 {
			return nil
		}
		next, err := l.block(ctx, at+1)
		if err != nil {
			return err
		}
		appHash, err := hex.DecodeString(next.Block.Header.AppHash)
		if err != nil {
			return err
		}
		response["last_block_app_hash"] = base64.StdEncoding.EncodeToString(appHash)
		return nil
	})
}

// edited changes the result in an answer. An answer without a result stays as it is.
func edited(answer *Answer, edit func(result map[string]any) error) *Answer {
	var response map[string]json.RawMessage
	var result map[string]any
	if answer == nil || json.Unmarshal(answer.Body, &response) != nil ||
		json.Unmarshal(response["result"], &result) != nil || result == nil {
		return answer
	}
	if err := edit(result); err != nil {
		return &Answer{Cut: true}
	}
	changed, err := json.Marshal(result)
	if err != nil {
		return broken(err)
	}
	response["result"] = changed
	body, err := json.Marshal(response)
	if err != nil {
		return broken(err)
	}
	return &Answer{Status: answer.Status, Body: body}
}
