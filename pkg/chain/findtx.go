package chain

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	ctypes "github.com/cometbft/cometbft/rpc/core/types"
)

// indexedBlocks bounds the blocks whose transactions are remembered. Each costs
// some hundred bytes per transaction; the oldest used is dropped.
const indexedBlocks = 64

// The index is a shortcut: whoever looks for a transaction has others waiting. A
// node whose index is silent is not asked again for a while. A block or its results
// may take no longer than any other answer: a lookup serves the record alone, and
// what it needs is remembered when it comes later than its caller had patience for.
const (
	indexPatience = 500 * time.Millisecond
	indexQuiet    = time.Minute
)

// quiet is a time in which something is not asked. The zero value is over.
type quiet struct {
	until atomic.Int64 // Unix time in nanoseconds
}

func (q *quiet) begin() { q.until.Store(time.Now().Add(indexQuiet).UnixNano()) }

func (q *quiet) over() bool { return time.Now().UnixNano() >= q.until.Load() }

// TxResult is what became of a transaction that is in a block.
type TxResult struct {
	Height    int64
	Code      uint32 // 0 if it took effect
	Codespace string
	Log       string
	GasUsed   int64
}

// txHash is the key of a transaction: the SHA-256 of its bytes.
type txHash [32]byte

// positions are the places of a block's transactions in it.
type positions map[txHash]int

// FindTx looks a transaction up by its hash, the SHA-256 of its bytes. found is
// false only if it is in none of the blocks from one height to another, both
// included. A node that indexes transactions is asked once; one that does not
// is asked for the blocks, which are remembered for all callers.
func (n *Node) FindTx(ctx context.Context, hash []byte, from, to int64) (result TxResult, found bool, err error) {
	if len(hash) != len(txHash{}) {
		return TxResult{}, false, fmt.Errorf("%w: transaction hash %X has %d bytes", ErrInvalidQuery, hash, len(hash))
	}
	if n.txIndexQuiet.over() {
		result, err := n.indexedTx(ctx, hash)
		if err == nil {
			return result, true, nil
		}
		if errors.Is(err, context.DeadlineExceeded) {
			n.txIndexQuiet.begin()
		}
	}
	// The answer of a node without the transaction and that of one without an
	// index differ in prose only, so neither is taken for an answer.
	for height := max(from, 1); height <= to; height++ {
		txs, err := n.blockTxs.get(ctx, height)
		if err != nil {
			return TxResult{}, false, err
		}
		position, ok := txs[txHash(hash)]
		if !ok {
			continue
		}
		result, err := n.resultOf(ctx, height, position)
		return result, err == nil, err
	}
	return TxResult{}, false, nil
}

func (n *Node) indexedTx(ctx context.Context, hash []byte) (TxResult, error) {
	ctx, cancel := context.WithTimeout(ctx, indexPatience)
	defer cancel()
	what := fmt.Sprintf("transaction %X", hash)
	tx, _, err := callRPC(ctx, n, what, func(ctx context.Context, c cometClient) (*ctypes.ResultTx, error) {
		return c.Tx(ctx, hash, false)
	})
	if err != nil {
		return TxResult{}, err
	}
	return TxResult{
		Height: tx.Height, Code: tx.TxResult.Code, Codespace: tx.TxResult.Codespace,
		Log: tx.TxResult.Log, GasUsed: tx.TxResult.GasUsed,
	}, nil
}

// askTxs fetches which transactions are in the block at height.
func (n *Node) askTxs(ctx context.Context, height int64) (answer[positions], error) {
	what := fmt.Sprintf("block %d", height)
	block, s, err := callRPC(ctx, n, what, func(ctx context.Context, c cometClient) (*ctypes.ResultBlock, error) {
		return c.Block(ctx, &height)
	})
	if err != nil {
		return answer[positions]{}, n.placeHeight(ctx, s, height, err)
	}
	if block.Block == nil || block.Block.Height != height {
		return answer[positions]{}, fmt.Errorf("%s: %w: rpc %s returned another or none", what, ErrMalformed, s.name)
	}
	txs := make(positions, len(block.Block.Txs))
	for i, tx := range block.Block.Txs {
		txs[txHash(tx.Hash())] = i
	}
	return answer[positions]{value: txs, final: true}, nil
}

// resultOf returns how the transaction at a position of a block ended.
func (n *Node) resultOf(ctx context.Context, height int64, position int) (TxResult, error) {
	results, err := n.blockResultsWithin(ctx, n.timeout, height)
	if err != nil {
		return TxResult{}, err
	}
	if position >= len(results.TxsResults) || results.TxsResults[position] == nil {
		return TxResult{}, fmt.Errorf("results of block %d: %w: %d results, none at %d",
			height, ErrMalformed, len(results.TxsResults), position)
	}
	r := results.TxsResults[position]
	return TxResult{Height: height, Code: r.Code, Codespace: r.Codespace, Log: r.Log, GasUsed: r.GasUsed}, nil
}

// blockResults fetches what the execution of the block at height returned. At a
// settlement height it can have many megabytes, so it is not remembered.
func (n *Node) blockResults(ctx context.Context, height int64) (*ctypes.ResultBlockResults, error) {
	return n.blockResultsWithin(ctx, largeAnswer*n.timeout, height)
}

// blockResultsWithin is blockResults with another bound on one attempt.
func (n *Node) blockResultsWithin(ctx context.Context, each time.Duration, height int64) (*ctypes.ResultBlockResults, error) {
	what := fmt.Sprintf("results of block %d", height)
	results, s, err := callRPCWithin(ctx, n, each, what, func(ctx context.Context, c cometClient) (*ctypes.ResultBlockResults, error) {
		return c.BlockResults(ctx, &height)
	})
	if err != nil {
		return nil, n.placeHeight(ctx, s, height, err)
	}
	if results.Height != height {
		return nil, fmt.Errorf("%s: %w: rpc %s returned height %d", what, ErrMalformed, s.name, results.Height)
	}
	return results, nil
}
