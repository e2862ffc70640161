package chain

import (
	"bytes"
	"context"
	"fmt"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// targetBytes is the length of a difficulty target.
const targetBytes = 32

// baseTarget is the target that every hash is below, except one. It applies while
// the chain keeps no difficulty for a service (x/service:
// GetRelayMiningDifficultyAtHeight).
func baseTarget() []byte { return bytes.Repeat([]byte{0xff}, targetBytes) }

// ComputeUnitsPerRelayAt implements relayer.ServiceQuerier. The error wraps
// relayer.ErrNotFound when there is no such service. A chain from before the
// history of prices was kept is asked for the present price.
func (q *Queries) ComputeUnitsPerRelayAt(ctx context.Context, serviceID string, height int64) (uint64, error) {
	what := fmt.Sprintf("compute units per relay of service %q at height %d", serviceID, height)
	if err := positive(what, height); err != nil {
		return 0, err
	}
	return q.unitsAt.get(ctx, q.node, serviceKey{serviceID, height}, func(ctx context.Context) (answer[uint64], error) {
		response, answeredAt, err := ask(ctx, q.node, what, func(ctx context.Context, opts ...grpc.CallOption) (*servicetypes.QueryComputeUnitsPerRelayAtHeightResponse, error) {
			request := &servicetypes.QueryComputeUnitsPerRelayAtHeightRequest{ServiceId: serviceID, BlockHeight: height}
			return servicetypes.NewQueryClient(q.node.conn).ComputeUnitsPerRelayAtHeight(ctx, request, opts...)
		})
		if status.Code(err) == codes.Unimplemented {
			return q.presentUnits(ctx, serviceID)
		}
		if err != nil {
			return answer[uint64]{height: answeredAt}, err
		}
		if response.ComputeUnitsPerRelay == 0 {
			return answer[uint64]{}, fmt.Errorf("%s: %w: none", what, ErrMalformed)
		}
		return answer[uint64]{
			value: response.ComputeUnitsPerRelay, height: answeredAt, final: q.node.pinned(height, answeredAt),
		}, nil
	})
}

// presentUnits answers with the price that is in force now.
func (q *Queries) presentUnits(ctx context.Context, serviceID string) (answer[uint64], error) {
	what := fmt.Sprintf("service %q", serviceID)
	service, err := q.services.get(ctx, q.node, serviceID, current(q.node, what,
		func(ctx context.Context, opts ...grpc.CallOption) (*servicetypes.QueryGetServiceResponse, error) {
			request := &servicetypes.QueryGetServiceRequest{Id: serviceID, Dehydrated: true}
			return servicetypes.NewQueryClient(q.node.conn).Service(ctx, request, opts...)
		},
		func(r *servicetypes.QueryGetServiceResponse) *sharedtypes.Service { return &r.Service },
	))
	if err != nil {
		return answer[uint64]{}, err
	}
	return answer[uint64]{value: service.ComputeUnitsPerRelay}, nil
}

// DifficultyTargetAt implements relayer.ServiceQuerier. The error wraps
// relayer.ErrNotFound when there is no such service. A service without a
// difficulty, or a chain from before the history of difficulties was kept, has
// the base target.
func (q *Queries) DifficultyTargetAt(ctx context.Context, serviceID string, height int64) ([]byte, error) {
	what := fmt.Sprintf("difficulty of service %q at height %d", serviceID, height)
	if err := positive(what, height); err != nil {
		return nil, err
	}
	return q.targetAt.get(ctx, q.node, serviceKey{serviceID, height}, func(ctx context.Context) (answer[[]byte], error) {
		response, answeredAt, err := ask(ctx, q.node, what, func(ctx context.Context, opts ...grpc.CallOption) (*servicetypes.QueryGetRelayMiningDifficultyAtHeightResponse, error) {
			request := &servicetypes.QueryGetRelayMiningDifficultyAtHeightRequest{ServiceId: serviceID, BlockHeight: height}
			return servicetypes.NewQueryClient(q.node.conn).RelayMiningDifficultyAtHeight(ctx, request, opts...)
		})
		if status.Code(err) == codes.Unimplemented {
			return answer[[]byte]{value: baseTarget()}, nil
		}
		if err != nil {
			return answer[[]byte]{height: answeredAt}, err
		}
		target := response.RelayMiningDifficulty.TargetHash
		if len(target) != targetBytes {
			return answer[[]byte]{}, fmt.Errorf("%s: %w: target of %d bytes", what, ErrMalformed, len(target))
		}
		return answer[[]byte]{value: target, height: answeredAt, final: q.node.pinned(height, answeredAt)}, nil
	})
}
