package chain

import (
	"errors"
	"testing"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
)

func TestMinSupplierStake_IsThatOfTheParameters(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	var params suppliertypes.Params
	f.answers["/pocket.supplier.Query/Params"] = func() (any, error) { return &suppliertypes.QueryParamsResponse{Params: params}, nil }
	if _, err := q.MinSupplierStake(t.Context()); !errors.Is(err, ErrMalformed) {
		t.Errorf("without a stake: %v", err)
	}
	stake := cosmostypes.NewInt64Coin("other", 7)
	params.MinStake = &stake
	if _, err := q.MinSupplierStake(t.Context()); !errors.Is(err, ErrMalformed) {
		t.Errorf("in another denomination: %v", err)
	}
	stake.Denom = Denom
	if got, err := q.MinSupplierStake(t.Context()); err != nil || got.Int64() != 7 {
		t.Errorf("got %v, error %v", got, err)
	}
}
