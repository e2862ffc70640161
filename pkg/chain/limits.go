package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
)

// BlockLimits are what all transactions of a block may have together, by the
// consensus parameters. Zero is no bound.
type BlockLimits struct {
	Gas   uint64
	Bytes uint64 // of the whole block, with its header and signatures
}

// BlockLimits returns the limits of blocks that are in force now. The error wraps
// ErrUnreachable if no node gives an answer, ErrMalformed for one without meaning.
func (n *Node) BlockLimits(ctx context.Context) (BlockLimits, error) {
	const what = "consensus parameters"
	result, s, err := callRPC(ctx, n, what, func(ctx context.Context, c cometClient) (*ctypes.ResultConsensusParams, error) {
		return c.ConsensusParams(ctx, nil)
	})
	if err != nil {
		return BlockLimits{}, err
	}
	block := result.ConsensusParams.Block
	if block.MaxBytes == 0 || block.MaxBytes < -1 || block.MaxGas < -1 { // CometBFT: ConsensusParams.ValidateBasic
		return BlockLimits{}, fmt.Errorf("%s: %w: rpc %s returned %d bytes and %d gas", what, ErrMalformed, s.name, block.MaxBytes, block.MaxGas)
	}
	return BlockLimits{Gas: uint64(max(block.MaxGas, 0)), Bytes: uint64(max(block.MaxBytes, 0))}, nil
}

const (
	// invalidRequest is the JSON-RPC code for a request that cannot be read (CometBFT:
	// rpc/jsonrpc/types, RPCInvalidRequestError).
	invalidRequest = -32600
	// preCheck begins what the mempool says about a transaction that is larger than a
	// block's data; it has no other check of that kind (CometBFT: mempool,
	// ErrPreCheck and PreCheckMaxBytes).
	preCheck = "tx pre check: "
	// checkingAgain begins what the mempool says while it has no time for new
	// transactions (CometBFT: mempool, ErrRecheckFull).
	checkingAgain = "mempool is still rechecking"
)

// tooLarge reports whether a node has not looked at a transaction because of its size:
// the request is larger than what it reads (CometBFT: rpc.max_body_bytes), or than
// what a proxy in front of it lets pass, or the transaction is larger than a block.
// There is no code for any of these.
func tooLarge(err error) bool {
	var answered *rpctypes.RPCError
	if errors.As(err, &answered) {
		unread := answered.Code == invalidRequest && strings.Contains(answered.Data, (&http.MaxBytesError{}).Error())
		return unread || strings.HasPrefix(answered.Data, preCheck)
	}
	// CometBFT: rpc/jsonrpc/client names the status of an answer that is not JSON-RPC.
	return err != nil && strings.Contains(err.Error(), fmt.Sprintf("(Status: %d ", http.StatusRequestEntityTooLarge))
}

// checking reports whether a node takes no transactions before it has checked those of
// its mempool again.
func checking(err error) bool {
	var answered *rpctypes.RPCError
	return errors.As(err, &answered) && strings.HasPrefix(answered.Data, checkingAgain)
}
