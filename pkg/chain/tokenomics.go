package chain

import (
	"context"

	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"google.golang.org/grpc"
)

// TokenomicsParams implements relayer.TokenomicsQuerier.
func (q *Queries) TokenomicsParams(ctx context.Context) (*tokenomicstypes.Params, error) {
	return q.tokenomics.get(ctx, nothing{})
}

func (q *Queries) askTokenomicsParams(ctx context.Context, _ nothing) (answer[*tokenomicstypes.Params], error) {
	return now(ctx, q.node, "tokenomics parameters",
		func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*tokenomicstypes.QueryParamsResponse, error) {
			return tokenomicstypes.NewQueryClient(conn).Params(ctx, &tokenomicstypes.QueryParamsRequest{}, opts...)
		},
		func(r *tokenomicstypes.QueryParamsResponse) *tokenomicstypes.Params { return &r.Params })
}
