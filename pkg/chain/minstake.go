package chain

import (
	"context"
	"fmt"

	"cosmossdk.io/math"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	"google.golang.org/grpc"
)

// MinSupplierStake returns the stake in upokt below which a supplier is unbonded
// (x/supplier: min_stake), as of the newest block. It is not remembered.
func (q *Queries) MinSupplierStake(ctx context.Context) (math.Int, error) {
	const what = "supplier parameters"
	got, err := now(ctx, q.node, what,
		func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*suppliertypes.QueryParamsResponse, error) {
			return suppliertypes.NewQueryClient(conn).Params(ctx, &suppliertypes.QueryParamsRequest{}, opts...)
		},
		func(r *suppliertypes.QueryParamsResponse) *suppliertypes.Params { return &r.Params })
	if err != nil {
		return math.Int{}, err
	}
	stake := got.value.MinStake
	if stake == nil || stake.Amount.IsNil() || stake.Denom != Denom {
		return math.Int{}, fmt.Errorf("%s: %w: no minimal stake", what, ErrMalformed)
	}
	return stake.Amount, nil
}
