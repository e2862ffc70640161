package cli

import (
	"fmt"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Decorators put something around parts of the relay miner, for programs that
// embed it: to watch what passes through a part, to change it, or to put another
// part in its place.
type Decorators struct {
	// TxSubmitter is around what brings claims and proofs on chain. The submitter
	// within it is stopped by the sessions manager when that takes no more steps:
	// outcomes that arrive by then are to be passed on, and the end of their channels.
	TxSubmitter Decorator[relayer.TxSubmitter]

	// The three parts of the contract. They are started and stopped, and their
	// streams joined, through what the decorators return.
	Proxy    Decorator[relayer.RelayerProxy]
	Miner    Decorator[relayer.Miner]
	Sessions Decorator[relayer.RelayerSessionsManager]
}

// Decorator returns the part to be used in the place of the one that was built
// from the configuration. deps supplies what that was built from; among it are
// the *relayer.Receipts, by which relays that a decorator holds back must be
// resolved. It is called once for an instance, before anything is started. A nil
// Decorator leaves the part as it is.
type Decorator[T any] func(deps depinject.Config, part T) (T, error)

// around returns the decorated part.
func (d Decorator[T]) around(deps depinject.Config, part T) (T, error) {
	if d == nil {
		return part, nil
	}
	decorated, err := d(deps, part)
	if err != nil {
		return part, fmt.Errorf("decorate %T: %w", part, err)
	}
	return decorated, nil
}
