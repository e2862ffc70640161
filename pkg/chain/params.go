package chain

import (
	"context"
	"fmt"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"google.golang.org/grpc"
)

// SharedParams implements relayer.SharedQuerier.
func (q *Queries) SharedParams(ctx context.Context) (*sharedtypes.Params, error) {
	return q.sharedNow.get(ctx, q.node, nothing{}, current(q.node, "shared parameters",
		func(ctx context.Context, opts ...grpc.CallOption) (*sharedtypes.QueryParamsResponse, error) {
			return sharedtypes.NewQueryClient(q.node.conn).Params(ctx, &sharedtypes.QueryParamsRequest{}, opts...)
		},
		func(r *sharedtypes.QueryParamsResponse) *sharedtypes.Params { return &r.Params },
	))
}

// SharedParamsAt implements relayer.SharedQuerier. For a height that the chain
// has not reached the parameters are those that are foreseen for it now, and are
// asked for again after the next block. The error wraps ErrInvalidQuery for a
// height below 1.
func (q *Queries) SharedParamsAt(ctx context.Context, height int64) (*sharedtypes.Params, error) {
	what := fmt.Sprintf("shared parameters at height %d", height)
	if err := positive(what, height); err != nil {
		return nil, err
	}
	return q.sharedAt.get(ctx, q.node, height, func(ctx context.Context) (answer[*sharedtypes.Params], error) {
		response, answeredAt, err := ask(ctx, q.node, what, func(ctx context.Context, opts ...grpc.CallOption) (*sharedtypes.QueryParamsAtHeightResponse, error) {
			return sharedtypes.NewQueryClient(q.node.conn).ParamsAtHeight(ctx, &sharedtypes.QueryParamsAtHeightRequest{Height: height}, opts...)
		})
		if err != nil {
			return answer[*sharedtypes.Params]{height: answeredAt}, err
		}
		params := response.Params
		if params.NumBlocksPerSession == 0 {
			return answer[*sharedtypes.Params]{}, fmt.Errorf("%s: %w: sessions have no blocks", what, ErrMalformed)
		}
		return answer[*sharedtypes.Params]{value: &params, height: answeredAt, final: q.node.pinned(height, answeredAt)}, nil
	})
}

// ProofParams implements relayer.ProofQuerier.
func (q *Queries) ProofParams(ctx context.Context) (*prooftypes.Params, error) {
	return q.proofNow.get(ctx, q.node, nothing{}, current(q.node, "proof parameters",
		func(ctx context.Context, opts ...grpc.CallOption) (*prooftypes.QueryParamsResponse, error) {
			return prooftypes.NewQueryClient(q.node.conn).Params(ctx, &prooftypes.QueryParamsRequest{}, opts...)
		},
		func(r *prooftypes.QueryParamsResponse) *prooftypes.Params { return &r.Params },
	))
}
