package localnet

import (
	"context"
	"errors"
	"fmt"

	"github.com/cometbft/cometbft/libs/pubsub"
	cmttypes "github.com/cometbft/cometbft/types"
)

// blockWatch tells of each block after the application has committed it.
type blockWatch struct {
	bus  *cmttypes.EventBus
	done chan struct{} // closed when the subscription has ended
}

// watcher is the watch's name on the bus.
const watcher = "localnet"

// watchBlocks tells heights of the blocks that are announced on the bus. The watch
// takes all of them until the bus is stopped or end is called: the bus waits for it
// at every block, also while it is to be stopped, and with it the whole node.
func watchBlocks(bus *cmttypes.EventBus, heights *heights) (*blockWatch, error) {
	blocks, err := bus.SubscribeUnbuffered(context.Background(), watcher, cmttypes.EventQueryNewBlockHeader)
	if err != nil {
		return nil, fmt.Errorf("follow the node's blocks: %w", err)
	}
	w := &blockWatch{bus: bus, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			select {
			case message := <-blocks.Out():
				if header, ok := message.Data().(cmttypes.EventDataNewBlockHeader); ok {
					heights.reached(header.Header.Height)
				}
			case <-blocks.Canceled():
				return
			}
		}
	}()
	return w, nil
}

// end ends the watch where the bus has not ended it, and awaits it.
func (w *blockWatch) end() error {
	err := w.bus.UnsubscribeAll(context.Background(), watcher)
	if err != nil && !errors.Is(err, pubsub.ErrSubscriptionNotFound) {
		return fmt.Errorf("leave the node's blocks: %w", err)
	}
	<-w.done
	return nil
}
