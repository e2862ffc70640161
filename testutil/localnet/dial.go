package localnet

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// A node that was just started has no state to answer from before its next block.
// So long it is asked again: some ten seconds at most.
const (
	unreadyPause    = 50 * time.Millisecond
	unreadyAttempts = 200
)

// Dial returns a gRPC connection to the node for the caller to close. Its calls wait
// for the next block where the node was just started.
func (n *Network) Dial() (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient(n.GRPCURL,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(awaitState))
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", n.GRPCURL, err)
	}
	return conn, nil
}

// awaitState calls again while the node has no state to answer from.
func awaitState(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
	call grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	tick := time.NewTicker(unreadyPause)
	defer tick.Stop()
	for i := 1; ; i++ {
		err := call(ctx, method, request, reply, conn, opts...)
		if !chain.Unready(err) || i == unreadyAttempts {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
