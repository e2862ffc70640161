package chain

import (
	"errors"
	"testing"

	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestTokenomicsParams_AreAskedForOncePerBlockAndNeverMadeUp(t *testing.T) {
	const method = "/pocket.tokenomics.Query/Params"
	f, node := newFakeNode(t)
	q := NewQueries(node)
	var reply error
	f.answers[method] = func() (any, error) {
		params := tokenomicstypes.Params{GlobalInflationPerClaim: 0.25}
		return &tokenomicstypes.QueryParamsResponse{Params: params}, reply
	}
	f.set(func(*fakeNode) { reply = status.Error(codes.Internal, "database") })
	if params, err := q.TokenomicsParams(t.Context()); err == nil || errors.Is(err, relayer.ErrNotFound) {
		t.Errorf("got %v, %v from a node that fails", params, err)
	}
	f.set(func(*fakeNode) { reply = nil })
	for range 3 {
		params, err := q.TokenomicsParams(t.Context())
		if err != nil || params.GlobalInflationPerClaim != 0.25 {
			t.Errorf("got %v, %v", params, err)
		}
	}
	if n := f.count(method); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}
