package chain

import (
	"errors"
	"fmt"

	errorsmod "cosmossdk.io/errors"
)

// Errors of the connection. They are wrapped with the address of the node that
// they are about, without any password in it.
var (
	// ErrConfig says that the configuration cannot be right, whatever the node.
	ErrConfig = errors.New("invalid chain configuration")
	// ErrUnreachable says that a node gave no answer.
	ErrUnreachable = errors.New("node unreachable")
	// ErrNotSent says, beside ErrUnreachable, that a node was not connected to
	// at all, so that it cannot have received anything.
	ErrNotSent = errors.New("not sent")
	// ErrWrongChainID says that a node belongs to another network.
	ErrWrongChainID = errors.New("wrong chain id")
	// ErrClosed says that the connection was closed before the answer came.
	ErrClosed = errors.New("connection to the chain is closed")
)

// ErrInvalidQuery says that a question makes no sense, whatever the chain's state.
var ErrInvalidQuery = errors.New("invalid query")

// Errors about heights.
var (
	// ErrChainRegressed says that a node reports a chain that does not continue
	// the one seen before: its height went back, or a block has another parent.
	ErrChainRegressed = errors.New("chain regressed")
	// ErrHeightAhead says that a height is above that of the node.
	ErrHeightAhead = errors.New("height is ahead of the node")
	// ErrHeightPruned says that a height is below the oldest one that the node keeps.
	ErrHeightPruned = errors.New("height is pruned by the node")
)

// ErrMalformed says that a node's answer does not have the shape that the
// protocol demands.
var ErrMalformed = errors.New("malformed answer of the node")

// Refusal is the chain's or the node's no to a transaction.
type Refusal struct {
	// Codespace and Code are those of the ABCI response. A refused simulation
	// comes over gRPC, which drops them: its codespace is SimulationCodespace and
	// its code the gRPC status code.
	Codespace string
	Code      uint32
	// Log holds the node's words.
	Log string
}

// SimulationCodespace is the codespace of refusals by simulation.
const SimulationCodespace = "simulation"

// Error names codespace, code and the node's words.
func (r *Refusal) Error() string {
	return fmt.Sprintf("refused with %s/%d: %s", r.Codespace, r.Code, r.Log)
}

// Is reports whether target is the registered error with the codespace and code
// of the refusal, so that errors.Is(err, sdkerrors.ErrInsufficientFee) works.
func (r *Refusal) Is(target error) bool {
	var registered *errorsmod.Error
	if !errors.As(target, &registered) {
		return false
	}
	return registered.Codespace() == r.Codespace && registered.ABCICode() == r.Code
}
