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
	if height < 1 {
		return 0, noHeight("compute units per relay", height)
	}
	return q.unitsAt.get(ctx, serviceKey{serviceID, height})
}

func (q *Queries) askUnits(ctx context.Context, key serviceKey) (answer[uint64], error) {
	what := fmt.Sprintf("compute units per relay of service %q at height %d", key.service, key.height)
	response, answeredAt, err := ask(ctx, q.node, what, func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*servicetypes.QueryComputeUnitsPerRelayAtHeightResponse, error) {
		request := &servicetypes.QueryComputeUnitsPerRelayAtHeightRequest{ServiceId: key.service, BlockHeight: key.height}
		return servicetypes.NewQueryClient(conn).ComputeUnitsPerRelayAtHeight(ctx, request, opts...)
	})
	if status.Code(err) == codes.Unimplemented {
		return q.presentUnits(ctx, key.service)
	}
	if err != nil {
		return answer[uint64]{height: answeredAt}, err
	}
	if response.ComputeUnitsPerRelay == 0 {
		return answer[uint64]{}, fmt.Errorf("%s: %w: none", what, ErrMalformed)
	}
	return answer[uint64]{
		value: response.ComputeUnitsPerRelay, height: answeredAt, final: q.node.pinned(key.height, answeredAt),
	}, nil
}

// presentUnits answers with the price that is in force now.
func (q *Queries) presentUnits(ctx context.Context, serviceID string) (answer[uint64], error) {
	service, err := q.services.get(ctx, serviceID)
	if err != nil {
		return answer[uint64]{}, err
	}
	return answer[uint64]{value: service.ComputeUnitsPerRelay}, nil
}

func (q *Queries) askService(ctx context.Context, serviceID string) (answer[*sharedtypes.Service], error) {
	return now(ctx, q.node, fmt.Sprintf("service %q", serviceID),
		func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*servicetypes.QueryGetServiceResponse, error) {
			request := &servicetypes.QueryGetServiceRequest{Id: serviceID, Dehydrated: true}
			return servicetypes.NewQueryClient(conn).Service(ctx, request, opts...)
		},
		func(r *servicetypes.QueryGetServiceResponse) *sharedtypes.Service { return &r.Service })
}

// DifficultyTargetAt implements relayer.ServiceQuerier. The error wraps
// relayer.ErrNotFound when there is no such service. A service without a
// difficulty, or a chain from before the history of difficulties was kept, has
// the base target.
func (q *Queries) DifficultyTargetAt(ctx context.Context, serviceID string, height int64) ([]byte, error) {
	if height < 1 {
		return nil, noHeight("difficulty", height)
	}
	return q.targetAt.get(ctx, serviceKey{serviceID, height})
}

func (q *Queries) askTarget(ctx context.Context, key serviceKey) (answer[[]byte], error) {
	what := fmt.Sprintf("difficulty of service %q at height %d", key.service, key.height)
	response, answeredAt, err := ask(ctx, q.node, what, func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*servicetypes.QueryGetRelayMiningDifficultyAtHeightResponse, error) {
		request := &servicetypes.QueryGetRelayMiningDifficultyAtHeightRequest{ServiceId: key.service, BlockHeight: key.height}
		return servicetypes.NewQueryClient(conn).RelayMiningDifficultyAtHeight(ctx, request, opts...)
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
	return answer[[]byte]{value: target, height: answeredAt, final: q.node.pinned(key.height, answeredAt)}, nil
}
