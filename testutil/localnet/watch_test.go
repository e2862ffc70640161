package localnet

import (
	"context"
	"testing"
	"time"

	cmttypes "github.com/cometbft/cometbft/types"
)

func TestBlockWatch_BusThatAnnouncesBlocksWhileItIsStoppedStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	bus := cmttypes.NewEventBus()
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	heights := newHeights()
	watch, err := watchBlocks(bus, heights)
	if err != nil {
		t.Fatal(err)
	}
	announce := func(height int64) error {
		return bus.PublishEventNewBlockHeader(cmttypes.EventDataNewBlockHeader{Header: cmttypes.Header{Height: height}})
	}
	if err := announce(1); err != nil {
		t.Fatal(err)
	}
	if err := heights.await(ctx, 1); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	announcing := make(chan struct{})
	go func() {
		defer close(announcing)
		for height := int64(2); bus.IsRunning(); height++ {
			if announce(height) != nil {
				return
			}
		}
	}()
	go func() { stopped <- bus.Stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("the bus waits for somebody to take a block")
	}
	<-announcing
	if err := watch.end(); err != nil {
		t.Error(err)
	}
}

func TestBlockWatch_EndsWithoutTheBus(t *testing.T) {
	bus := cmttypes.NewEventBus()
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	watch, err := watchBlocks(bus, newHeights())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := watch.end(); err != nil {
			t.Error(err)
		}
	}
	if err := bus.Stop(); err != nil {
		t.Error(err)
	}
}
