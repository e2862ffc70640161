package chain

import (
	"context"
	"fmt"

	ctypes "github.com/cometbft/cometbft/rpc/core/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// BlockAt implements relayer.BlockQuerier. The error wraps ErrHeightAhead or
// ErrHeightPruned when the node does not have the block yet or any more.
func (q *Queries) BlockAt(ctx context.Context, height int64) (*relayer.Block, error) {
	if height < 1 {
		return nil, noHeight("block", height)
	}
	return q.blocks.get(ctx, height)
}

func (q *Queries) askBlock(ctx context.Context, height int64) (answer[*relayer.Block], error) {
	what := fmt.Sprintf("block %d", height)
	result, s, err := callRPC(ctx, q.node, what, func(ctx context.Context, c cometClient) (*ctypes.ResultHeader, error) {
		return c.Header(ctx, &height)
	})
	if err != nil {
		return answer[*relayer.Block]{}, q.node.placeHeight(ctx, s, height, err)
	}
	h, err := newHead(result.Header)
	if err == nil && h.block.Height != height {
		err = fmt.Errorf("%w: block %d in its place", ErrMalformed, h.block.Height)
	}
	if err != nil {
		return answer[*relayer.Block]{}, fmt.Errorf("%s: rpc %s: %w", what, s.name, err)
	}
	return answer[*relayer.Block]{value: h.block, final: true}, nil
}

// Events implements relayer.BlockQuerier. The error wraps ErrHeightAhead or
// ErrHeightPruned when the node does not have the block's results yet or any
// more.
func (q *Queries) Events(ctx context.Context, height int64) (*relayer.BlockEvents, error) {
	if height < 1 {
		return nil, noHeight("events", height)
	}
	return q.events.get(ctx, height)
}

func (q *Queries) askEvents(ctx context.Context, height int64) (answer[*relayer.BlockEvents], error) {
	select {
	case q.results <- struct{}{}:
		defer func() { <-q.results }()
	case <-ctx.Done():
		return answer[*relayer.BlockEvents]{}, fmt.Errorf("events of block %d: %w", height, ctx.Err())
	}
	results, err := q.node.blockResults(ctx, height)
	if err != nil {
		return answer[*relayer.BlockEvents]{}, err
	}
	events, err := claimEvents(results)
	if err != nil {
		return answer[*relayer.BlockEvents]{}, fmt.Errorf("events of block %d: %w", height, err)
	}
	return answer[*relayer.BlockEvents]{value: &relayer.BlockEvents{Height: height, Events: events}, final: true}, nil
}
