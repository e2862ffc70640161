package chain

import (
	"context"
	"fmt"

	ctypes "github.com/cometbft/cometbft/rpc/core/types"
)

// simulatePath is where the application simulates over ABCI (cosmos-sdk: baseapp,
// handleQueryApp). Unlike the gRPC service it answers with codespace and code.
const simulatePath = "/app/simulate"

// Explain returns why the node that transactions are sent to refuses one, with the
// codespace and code that Simulate does not tell: those of x/auth/ante if a rule for
// transactions is broken, and mostly ("undefined", 1) if a message is refused. It
// returns nil if the node does not refuse it. The error wraps ErrUnreachable if the
// node gives no answer.
func (n *Node) Explain(ctx context.Context, txBytes []byte) (*Refusal, error) {
	var result *ctypes.ResultABCIQuery
	s, err := n.tx.call(ctx, n.timeout, silent, func(ctx context.Context, s *server) (err error) {
		result, err = s.rpc.ABCIQuery(ctx, simulatePath, txBytes)
		return err
	})
	switch {
	case err == nil && result.Response.Code == 0:
		return nil, nil
	case err == nil:
		r := result.Response
		return &Refusal{Codespace: r.Codespace, Code: r.Code, Log: r.Log}, nil
	case s == nil: // none was asked
		return nil, fmt.Errorf("explain: %w", err)
	case silent(err):
		return nil, fmt.Errorf("explain: %w: rpc %s: %w", ErrUnreachable, s.name, err)
	default:
		return nil, fmt.Errorf("explain: rpc %s: %w", s.name, err)
	}
}
