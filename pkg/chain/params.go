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
	return q.sharedNow.get(ctx, nothing{})
}

func (q *Queries) askSharedParams(ctx context.Context, _ nothing) (answer[*sharedtypes.Params], error) {
	const what = "shared parameters"
	got, err := now(ctx, q.node, what,
		func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*sharedtypes.QueryParamsResponse, error) {
			return sharedtypes.NewQueryClient(conn).Params(ctx, &sharedtypes.QueryParamsRequest{}, opts...)
		},
		func(r *sharedtypes.QueryParamsResponse) *sharedtypes.Params { return &r.Params })
	if err != nil {
		return got, err
	}
	return got, checkSharedParams(what, got.value)
}

// checkSharedParams returns an error that wraps ErrMalformed for parameters that no
// session can be computed with.
func checkSharedParams(what string, params *sharedtypes.Params) error {
	if params.NumBlocksPerSession == 0 {
		return fmt.Errorf("%s: %w: sessions have no blocks", what, ErrMalformed)
	}
	return nil
}

// SharedParamsAt implements relayer.SharedQuerier. For a height that the chain
// has not reached the parameters are those that are foreseen for it now, and are
// asked for again after the next block. The error wraps ErrInvalidQuery for a
// height below 1.
func (q *Queries) SharedParamsAt(ctx context.Context, height int64) (*sharedtypes.Params, error) {
	if height < 1 {
		return nil, noHeight("shared parameters", height)
	}
	return q.sharedAt.get(ctx, height)
}

func (q *Queries) askSharedParamsAt(ctx context.Context, height int64) (answer[*sharedtypes.Params], error) {
	what := fmt.Sprintf("shared parameters at height %d", height)
	response, answeredAt, err := ask(ctx, q.node, what, func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*sharedtypes.QueryParamsAtHeightResponse, error) {
		request := &sharedtypes.QueryParamsAtHeightRequest{Height: height}
		return sharedtypes.NewQueryClient(conn).ParamsAtHeight(ctx, request, opts...)
	})
	if err != nil {
		return answer[*sharedtypes.Params]{height: answeredAt}, err
	}
	params := response.Params
	if err := checkSharedParams(what, &params); err != nil {
		return answer[*sharedtypes.Params]{}, err
	}
	return answer[*sharedtypes.Params]{value: &params, height: answeredAt, final: q.node.pinned(height, answeredAt)}, nil
}

// ProofParams implements relayer.ProofQuerier.
func (q *Queries) ProofParams(ctx context.Context) (*prooftypes.Params, error) {
	return q.proofNow.get(ctx, nothing{})
}

func (q *Queries) askProofParams(ctx context.Context, _ nothing) (answer[*prooftypes.Params], error) {
	return now(ctx, q.node, "proof parameters",
		func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*prooftypes.QueryParamsResponse, error) {
			return prooftypes.NewQueryClient(conn).Params(ctx, &prooftypes.QueryParamsRequest{}, opts...)
		},
		func(r *prooftypes.QueryParamsResponse) *prooftypes.Params { return &r.Params })
}
