package chain

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	grpctypes "github.com/cosmos/cosmos-sdk/types/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Attempts at one call, as long as its context lasts. Only a node that did not
// answer is asked again; what it answered stands.
const (
	maxAttempts   = 4
	firstPause    = 100 * time.Millisecond
	maxPause      = 2 * time.Second
	pauseMultiple = 3
)

// ask puts a question to the gRPC server. The height is that of the state which
// answered, 0 if the answer does not tell. The error wraps relayer.ErrNotFound,
// or ErrUnreachable, or else the gRPC status with which the chain answered.
func ask[T any](
	ctx context.Context, n *Node, what string,
	call func(ctx context.Context, opts ...grpc.CallOption) (T, error),
) (answer T, height int64, err error) {
	err = attempts(ctx, n.timeout, unanswered, func(ctx context.Context) error {
		var header metadata.MD
		var err error
		answer, err = call(ctx, grpc.Header(&header))
		height = heightOf(header)
		return err
	})
	n.note(height)
	if err != nil {
		var none T
		return none, height, fmt.Errorf("%s: %w", what, n.explain(err))
	}
	return answer, height, nil
}

// explain adds what the kind of error means.
func (n *Node) explain(err error) error {
	switch {
	case status.Code(err) == codes.NotFound:
		return fmt.Errorf("%w: %w", relayer.ErrNotFound, err)
	case unanswered(err):
		return fmt.Errorf("%w: grpc %s: %w", ErrUnreachable, n.grpcURL, err)
	default:
		return err
	}
}

// unanswered reports whether the server has said nothing about the question.
func unanswered(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

func heightOf(header metadata.MD) int64 {
	values := header.Get(grpctypes.GRPCBlockHeightHeader)
	if len(values) == 0 {
		return 0
	}
	height, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || height < 0 {
		return 0
	}
	return height
}

// largeAnswer times the timeout is what an attempt may take whose answer can have
// many megabytes: a block, or its results at a settlement.
const largeAnswer = 6

// callRPC calls an RPC server. The error wraps ErrUnreachable unless the server
// has answered with an error, which is then wrapped as *rpctypes.RPCError.
func callRPC[T any](
	ctx context.Context, n *Node, c cometClient, what string, call func(ctx context.Context) (T, error),
) (answer T, err error) {
	return callRPCWithin(ctx, n.timeout, c, what, call)
}

// callRPCWithin is callRPC with another bound on one attempt.
func callRPCWithin[T any](
	ctx context.Context, each time.Duration, c cometClient, what string, call func(ctx context.Context) (T, error),
) (answer T, err error) {
	err = attempts(ctx, each, silent, func(ctx context.Context) error {
		var err error
		answer, err = call(ctx)
		return err
	})
	if err == nil {
		return answer, nil
	}
	var none T
	if silent(err) {
		return none, fmt.Errorf("%s: %w: rpc %s: %w", what, ErrUnreachable, c.at, err)
	}
	return none, fmt.Errorf("%s: rpc %s: %w", what, c.at, err)
}

// silent reports whether an RPC server has not answered.
func silent(err error) bool {
	var answered *rpctypes.RPCError
	return !errors.As(err, &answered)
}

// attempts calls until an answer comes, attempts are used up or ctx is done.
// each bounds one attempt.
func attempts(
	ctx context.Context, each time.Duration, again func(error) bool, call func(context.Context) error,
) error {
	pause := firstPause
	for i := 1; ; i++ {
		err := attempt(ctx, each, call)
		if err == nil || i == maxAttempts || ctx.Err() != nil || !again(err) {
			return err
		}
		if !rest(ctx, pause) {
			return err
		}
		pause = min(pause*pauseMultiple, maxPause)
	}
}

func attempt(ctx context.Context, each time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	return call(ctx)
}

// rest waits for d and reports false if ctx ends first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
