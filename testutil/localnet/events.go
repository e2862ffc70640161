package localnet

import (
	"context"
	"fmt"
	"strings"

	abci "github.com/cometbft/cometbft/abci/types"
	rpctypes "github.com/cometbft/cometbft/rpc/core/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
)

// Event is something that the chain said about claims and proofs: one of the
// Event messages of x/proof and x/tokenomics, for example
// *prooftypes.EventClaimCreated or *tokenomicstypes.EventClaimSettled.
type Event struct {
	Height int64
	Msg    proto.Message
}

// EventAt is an event of a known type.
type EventAt[T proto.Message] struct {
	Height int64
	Msg    T
}

// Events returns the events of the committed blocks from first to last, in the
// order of the chain: within a block those of its transactions before those of
// its end.
func (n *Network) Events(ctx context.Context, first, last int64) ([]Event, error) {
	var events []Event
	for height := first; height <= last; height++ {
		results, err := n.rpc.BlockResults(ctx, &height)
		if err != nil {
			return nil, fmt.Errorf("results of block %d: %w", height, err)
		}
		parsed, err := blockEvents(results)
		if err != nil {
			return nil, fmt.Errorf("events of block %d: %w", height, err)
		}
		events = append(events, parsed...)
	}
	return events, nil
}

// Select returns the events of one type, in order.
func Select[T proto.Message](events []Event) []EventAt[T] {
	var selected []EventAt[T]
	for _, event := range events {
		if msg, ok := event.Msg.(T); ok {
			selected = append(selected, EventAt[T]{Height: event.Height, Msg: msg})
		}
	}
	return selected
}

// AwaitEvent returns the first event of its type at height first or above that
// match accepts; nil accepts all. It waits for blocks as WaitForHeight does.
func AwaitEvent[T proto.Message](ctx context.Context, n *Network, first int64, match func(T) bool) (EventAt[T], error) {
	for height := first; ; height++ {
		if err := n.WaitForHeight(ctx, height); err != nil {
			return EventAt[T]{}, err
		}
		events, err := n.Events(ctx, height, height)
		if err != nil {
			return EventAt[T]{}, err
		}
		for _, event := range Select[T](events) {
			if match == nil || match(event.Msg) {
				return event, nil
			}
		}
	}
}

func blockEvents(results *rpctypes.ResultBlockResults) ([]Event, error) {
	var all []abci.Event
	for _, tx := range results.TxsResults {
		all = append(all, tx.Events...)
	}
	all = append(all, results.FinalizeBlockEvents...)

	var events []Event
	for _, event := range all {
		if !strings.HasPrefix(event.Type, "pocket.proof.") && !strings.HasPrefix(event.Type, "pocket.tokenomics.") {
			continue
		}
		msg, err := parseEvent(event)
		if err != nil {
			return nil, err
		}
		events = append(events, Event{Height: results.Height, Msg: msg})
	}
	return events, nil
}

// parseEvent decodes a typed event. The SDK adds two attributes that are no
// fields of the message, one of them not even JSON.
func parseEvent(event abci.Event) (proto.Message, error) {
	fields := make([]abci.EventAttribute, 0, len(event.Attributes))
	for _, attribute := range event.Attributes {
		if attribute.Key != "mode" && attribute.Key != "msg_index" {
			fields = append(fields, attribute)
		}
	}
	event.Attributes = fields
	msg, err := cosmostypes.ParseTypedEvent(event)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", event.Type, err)
	}
	return msg, nil
}
