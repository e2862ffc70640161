package chain

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	grpctypes "github.com/cosmos/cosmos-sdk/types/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Attempts at one call, as long as its context lasts, where no other server can
// take it over. Only who did not answer is asked again; what was answered stands.
const (
	maxAttempts   = 4
	firstPause    = 100 * time.Millisecond
	maxPause      = 2 * time.Second
	pauseMultiple = 3
)

// ask puts a question to the gRPC server in use, and to the next one if it gives
// no answer. The height is that of the state which answered, 0 if the answer does
// not tell. The error wraps relayer.ErrNotFound, or ErrUnreachable, or else the
// gRPC status with which the chain answered.
func ask[T any](
	ctx context.Context, n *Node, what string,
	call func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (T, error),
) (answer T, height int64, err error) {
	s, err := n.grpc.call(ctx, n.timeout, unanswered, func(ctx context.Context, s *server) error {
		var header metadata.MD
		var err error
		best, newest := n.seen.Load(), n.grpc.answered.Load()
		answer, err = call(ctx, s.grpc, grpc.Header(&header))
		height = heightOf(header)
		n.note(height)
		n.grpc.saw(s, height, best)
		if behind := n.grpc.order(height, newest, err); behind != nil {
			return behind
		}
		return err
	})
	if err != nil {
		var none T
		return none, height, fmt.Errorf("%s: %w", what, explain(s, err))
	}
	return answer, height, nil
}

// explain adds what the kind of error means.
func explain(s *server, err error) error {
	switch {
	case s == nil: // none was asked
		return err
	case status.Code(err) == codes.NotFound:
		return fmt.Errorf("%w: %w", relayer.ErrNotFound, err)
	case unanswered(err):
		return fmt.Errorf("%w: grpc %s: %w", ErrUnreachable, s.name, err)
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
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errBehind) || Unready(err)
}

// Unready reports whether the error of a gRPC call says that the server could not
// open the state that it was to answer from, so that the question was not looked at
// and can be put again. That happens in the moment of a commit, and from a restart
// until the next block (cosmos-sdk, baseapp: CreateQueryContext). The status has the
// code Unknown and begins with the codespace and the code of the SDK's error. No
// query that is asked here answers with these codes by itself, and a refused
// simulation has them behind other words.
func Unready(err error) bool {
	if status.Code(err) != codes.Unknown {
		return false
	}
	said := words(err)
	return strings.HasPrefix(said, words(sdkerrors.ErrInvalidHeight)) ||
		strings.HasPrefix(said, words(sdkerrors.ErrNotFound))
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

// callRPC calls the RPC server in use, and the next one if it gives no answer. It
// returns the server that answered. The error wraps ErrUnreachable unless a server
// has answered with an error, which is then wrapped as *rpctypes.RPCError.
func callRPC[T any](
	ctx context.Context, n *Node, what string, call func(ctx context.Context, c cometClient) (T, error),
) (answer T, s *server, err error) {
	return callRPCWithin(ctx, n, n.timeout, what, call)
}

// callRPCWithin is callRPC with another bound on one attempt.
func callRPCWithin[T any](
	ctx context.Context, n *Node, each time.Duration, what string, call func(ctx context.Context, c cometClient) (T, error),
) (answer T, s *server, err error) {
	s, err = n.query.call(ctx, each, silent, func(ctx context.Context, s *server) error {
		var err error
		answer, err = call(ctx, s.rpc)
		return err
	})
	if err == nil {
		return answer, s, nil
	}
	var none T
	switch {
	case s == nil: // none was asked
		return none, nil, fmt.Errorf("%s: %w", what, err)
	case silent(err):
		return none, s, fmt.Errorf("%s: %w: rpc %s: %w", what, ErrUnreachable, s.name, err)
	default:
		return none, s, fmt.Errorf("%s: rpc %s: %w", what, s.name, err)
	}
}

// silent reports whether an RPC server has not answered.
func silent(err error) bool {
	var answered *rpctypes.RPCError
	return !errors.As(err, &answered)
}

// attempt calls once, for no longer than each.
func attempt(ctx context.Context, each time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	return call(ctx)
}
