package localnet

import (
	"context"
	"testing"

	errorsmod "cosmossdk.io/errors"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAwaitState_OnlyANodeWithoutAStateIsAskedAgain(t *testing.T) {
	unready := errorsmod.Wrap(sdkerrors.ErrInvalidHeight, "context did not contain latest block height")
	absent := status.Error(codes.NotFound, "no such claim")
	for _, test := range []struct {
		name    string
		answers []error // the last one stays
		asked   int
		want    error
	}{
		{"answer", []error{nil}, 1, nil},
		{"no state for a moment", []error{unready, unready, nil}, 3, nil},
		{"absence", []error{absent, nil}, 1, absent},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			call := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				asked++
				return test.answers[min(asked, len(test.answers))-1]
			}
			if err := awaitState(t.Context(), "method", nil, nil, nil, call); err != test.want || asked != test.asked {
				t.Errorf("got %v after %d calls", err, asked)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := awaitState(ctx, "method", nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		cancel()
		return unready
	})
	if err == nil {
		t.Error("a call whose caller has left was answered")
	}
}
