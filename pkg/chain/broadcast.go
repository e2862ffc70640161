package chain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	errorsmod "cosmossdk.io/errors"
	"cosmossdk.io/math"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/cosmos/cosmos-sdk/client"
	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Simulate executes a transaction against the newest state without effect and
// returns the gas that it used. Signatures are not checked. The error is a
// *Refusal if the chain refuses the transaction as things stand; any other error
// means that it was not executed.
func (n *Node) Simulate(ctx context.Context, txBytes []byte) (gasUsed uint64, err error) {
	response, _, err := ask(ctx, n, "simulate", func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*txtypes.SimulateResponse, error) {
		return txtypes.NewServiceClient(conn).Simulate(ctx, &txtypes.SimulateRequest{TxBytes: txBytes}, opts...)
	})
	if err == nil {
		return response.GetGasInfo().GetGasUsed(), nil
	}
	if errors.Is(err, ErrUnreachable) || !answeredOverGRPC(err) {
		return 0, err
	}
	switch code := status.Code(err); code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unimplemented,
		codes.ResourceExhausted, codes.Unauthenticated, codes.PermissionDenied:
		return 0, err // words of the transport or of a proxy, not of the chain
	default:
		return 0, &Refusal{Codespace: SimulationCodespace, Code: uint32(code), Log: words(err)}
	}
}

// answeredOverGRPC reports whether the error has come from a server.
func answeredOverGRPC(err error) bool {
	var said interface{ GRPCStatus() *status.Status }
	return errors.As(err, &said)
}

// words returns what the server said, without what was wrapped around it.
func words(err error) string {
	var said interface{ GRPCStatus() *status.Status }
	if errors.As(err, &said) {
		return said.GRPCStatus().Message()
	}
	return err.Error()
}

// Broadcast hands a signed transaction to a node and returns when the node has
// checked it. A transaction that the node has already is no error. The error is
// a *Refusal if the node refuses it, or wraps ErrNotSent if there was no
// connection, by which it is in no mempool; after any other error it may be.
//
// A node that gives no answer makes the next one that is up be tried at once with
// the same bytes, which do no harm in two mempools. A refusal is an answer, unless
// a node that was tried before may have taken the transaction: then the error
// wraps the refusal's words and ErrUnreachable, and is no *Refusal.
func (n *Node) Broadcast(ctx context.Context, txBytes []byte) error {
	var failed []error
	sent := false // perhaps
	for range n.tx.servers {
		s, _, err := n.tx.current()
		if err != nil {
			return fmt.Errorf("broadcast: %w", errors.Join(append(failed, err)...))
		}
		err = n.broadcast(ctx, s, txBytes)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrUnreachable) {
			if sent {
				return fmt.Errorf("broadcast: %w, then rpc %s said: %v", errors.Join(failed...), s.name, err)
			}
			return err
		}
		failed = append(failed, err)
		sent = sent || !errors.Is(err, errNeverLeft)
		if ctx.Err() != nil || !n.tx.failed(s, err) {
			break
		}
	}
	err := errors.Join(failed...)
	if !sent {
		return fmt.Errorf("broadcast: %w: %w", ErrNotSent, err)
	}
	return fmt.Errorf("broadcast: %w", err)
}

// errNeverLeft says that one server received nothing.
var errNeverLeft = errors.New("no connection")

// broadcast hands a transaction to one server, in one attempt: the caller decides
// when to send again, and counts.
func (n *Node) broadcast(ctx context.Context, s *server, txBytes []byte) error {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	result, err := s.rpc.BroadcastTxSync(ctx, txBytes)
	if err != nil {
		refusal := beforeCheck(err, txBytes)
		switch {
		case refusal == nil && neverLeft(err):
			return fmt.Errorf("%w: %w: rpc %s: %w", errNeverLeft, ErrUnreachable, s.name, err)
		case refusal == nil && silent(err):
			return fmt.Errorf("%w: rpc %s: %w", ErrUnreachable, s.name, err)
		case refusal == nil:
			return fmt.Errorf("broadcast: rpc %s: %w", s.name, err)
		}
		result = &ctypes.ResultBroadcastTx{Code: refusal.Code, Codespace: refusal.Codespace, Log: refusal.Log}
	}
	if result.Code == 0 {
		return nil
	}
	refusal := &Refusal{Codespace: result.Codespace, Code: result.Code, Log: result.Log}
	if refusal.Is(sdkerrors.ErrTxInMempoolCache) {
		return nil
	}
	return refusal
}

// beforeCheck returns the refusal of a node that has not asked the application, for
// which there is no code: the known cases get those of x/auth. It is nil if the node
// may not have refused.
func beforeCheck(err error, txBytes []byte) *Refusal {
	refused := func(e *errorsmod.Error) *Refusal {
		return &Refusal{Codespace: e.Codespace(), Code: e.ABCICode(), Log: err.Error()}
	}
	known := client.CheckCometError(err, txBytes)
	switch {
	case known != nil:
		return &Refusal{Codespace: known.Codespace, Code: known.Code, Log: err.Error()}
	case tooLarge(err):
		return refused(sdkerrors.ErrTxTooLarge)
	case checking(err):
		return refused(sdkerrors.ErrMempoolIsFull)
	}
	return nil
}

// neverLeft reports whether a call failed before anything could be sent.
func neverLeft(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

// Account is what the chain keeps about a signer.
type Account struct {
	// Number was given to the account when it received its first coins. Signatures
	// include it. It never changes.
	Number uint64
	// Sequence is that of the next transaction that has one, in the newest state.
	// It only grows.
	Sequence uint64
}

// Account returns what signing for an account needs. An account that does not exist
// is relayer.ErrNotFound.
func (n *Node) Account(ctx context.Context, address string) (Account, error) {
	account, _, err := n.account(ctx, address)
	if err != nil {
		return Account{}, err
	}
	return Account{Number: account.GetAccountNumber(), Sequence: account.GetSequence()}, nil
}

// account fetches an account of any kind.
func (n *Node) account(ctx context.Context, address string) (cosmostypes.AccountI, int64, error) {
	what := "account " + address
	response, height, err := ask(ctx, n, what, func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*authtypes.QueryAccountResponse, error) {
		return authtypes.NewQueryClient(conn).Account(ctx, &authtypes.QueryAccountRequest{Address: address}, opts...)
	})
	if err != nil {
		return nil, height, err
	}
	var account cosmostypes.AccountI
	if err := n.codec.UnpackAny(response.GetAccount(), &account); err != nil {
		return nil, height, fmt.Errorf("%s: %w: %w", what, ErrMalformed, err)
	}
	if account == nil {
		return nil, height, fmt.Errorf("%s: %w: empty", what, ErrMalformed)
	}
	return account, height, nil
}

// MinGasPrice returns the price in upokt per unit of gas below which the node
// refuses transactions. It is a setting of that node, not of the chain.
func (n *Node) MinGasPrice(ctx context.Context) (math.LegacyDec, error) {
	response, _, err := ask(ctx, n, "minimum gas price", func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*nodeservice.ConfigResponse, error) {
		return nodeservice.NewServiceClient(conn).Config(ctx, &nodeservice.ConfigRequest{}, opts...)
	})
	if err != nil {
		return math.LegacyDec{}, err
	}
	if strings.TrimSpace(response.GetMinimumGasPrice()) == "" {
		return math.LegacyZeroDec(), nil
	}
	prices, err := cosmostypes.ParseDecCoins(response.GetMinimumGasPrice())
	if err != nil {
		return math.LegacyDec{}, fmt.Errorf("minimum gas price: %w: %w", ErrMalformed, err)
	}
	return prices.AmountOf(Denom), nil
}

// StateHeight returns the height of the state that queries are answered from. It
// can be below that of the newest block seen, for a moment or as long as the
// gRPC server lags, and then an answer does not yet reflect that block.
func (n *Node) StateHeight(ctx context.Context) (int64, error) {
	_, height, err := ask(ctx, n, "state height", func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*sharedtypes.QueryParamsResponse, error) {
		return sharedtypes.NewQueryClient(conn).Params(ctx, &sharedtypes.QueryParamsRequest{}, opts...)
	})
	if err != nil {
		return 0, err
	}
	if height > 0 {
		return height, nil
	}
	// A proxy may have dropped the header that carries the height.
	response, _, err := ask(ctx, n, "state height", func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*nodeservice.StatusResponse, error) {
		return nodeservice.NewServiceClient(conn).Status(ctx, &nodeservice.StatusRequest{}, opts...)
	})
	if err != nil {
		return 0, err
	}
	return int64(response.GetHeight()), nil
}
