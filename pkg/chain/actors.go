package chain

import (
	"context"
	"fmt"

	"cosmossdk.io/math"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	"google.golang.org/grpc"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Application implements relayer.ApplicationQuerier. The error wraps
// relayer.ErrNotFound when the address is not that of an application.
func (q *Queries) Application(ctx context.Context, address string) (*apptypes.Application, error) {
	return q.applications.get(ctx, address)
}

func (q *Queries) askApplication(ctx context.Context, address string) (answer[*apptypes.Application], error) {
	return now(ctx, q.node, fmt.Sprintf("application %q", address),
		func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*apptypes.QueryGetApplicationResponse, error) {
			request := &apptypes.QueryGetApplicationRequest{Address: address}
			return apptypes.NewQueryClient(conn).Application(ctx, request, opts...)
		},
		func(r *apptypes.QueryGetApplicationResponse) *apptypes.Application { return &r.Application })
}

// Supplier implements relayer.SupplierQuerier, with the history of the supplier's
// services. The error wraps relayer.ErrNotFound when the address is not that of a
// supplier's operator.
func (q *Queries) Supplier(ctx context.Context, operatorAddress string) (*sharedtypes.Supplier, error) {
	return q.suppliers.get(ctx, operatorAddress)
}

func (q *Queries) askSupplier(ctx context.Context, operatorAddress string) (answer[*sharedtypes.Supplier], error) {
	return now(ctx, q.node, fmt.Sprintf("supplier %q", operatorAddress),
		func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*suppliertypes.QueryGetSupplierResponse, error) {
			request := &suppliertypes.QueryGetSupplierRequest{OperatorAddress: operatorAddress}
			return suppliertypes.NewQueryClient(conn).Supplier(ctx, request, opts...)
		},
		func(r *suppliertypes.QueryGetSupplierResponse) *sharedtypes.Supplier { return &r.Supplier })
}

// PubKey implements relayer.AccountQuerier. The error wraps relayer.ErrNotFound
// when there is no account, or one that never signed.
func (q *Queries) PubKey(ctx context.Context, address string) (cryptotypes.PubKey, error) {
	return q.pubKeys.get(ctx, address)
}

func (q *Queries) askPubKey(ctx context.Context, address string) (answer[cryptotypes.PubKey], error) {
	account, height, err := q.node.account(ctx, address)
	if err != nil {
		return answer[cryptotypes.PubKey]{height: height}, err
	}
	key := account.GetPubKey()
	if key == nil {
		return answer[cryptotypes.PubKey]{height: height}, fmt.Errorf("public key of account %q: %w", address, relayer.ErrNotFound)
	}
	return answer[cryptotypes.PubKey]{value: key, height: height, final: true}, nil
}

// Balance implements relayer.BalanceQuerier. An account that does not exist has
// none.
func (q *Queries) Balance(ctx context.Context, address string) (math.Int, error) {
	what := fmt.Sprintf("balance of %q", address)
	response, _, err := ask(ctx, q.node, what, func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*banktypes.QuerySpendableBalanceByDenomResponse, error) {
		request := &banktypes.QuerySpendableBalanceByDenomRequest{Address: address, Denom: Denom}
		return banktypes.NewQueryClient(conn).SpendableBalanceByDenom(ctx, request, opts...)
	})
	if err != nil {
		return math.Int{}, err
	}
	balance := response.GetBalance()
	if balance == nil || balance.Amount.IsNil() {
		return math.Int{}, fmt.Errorf("%s: %w: no amount", what, ErrMalformed)
	}
	return balance.Amount, nil
}

// Claim implements relayer.ProofQuerier. The error wraps relayer.ErrNotFound when
// there is no claim now, be it that none was made or that it is settled.
func (q *Queries) Claim(ctx context.Context, sessionID, supplier string) (*prooftypes.Claim, error) {
	what := fmt.Sprintf("claim of supplier %q for session %q", supplier, sessionID)
	response, _, err := ask(ctx, q.node, what, func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*prooftypes.QueryGetClaimResponse, error) {
		request := &prooftypes.QueryGetClaimRequest{SessionId: sessionID, SupplierOperatorAddress: supplier}
		return prooftypes.NewQueryClient(conn).Claim(ctx, request, opts...)
	})
	if err != nil {
		return nil, err
	}
	return &response.Claim, nil
}
