package localnet

import (
	"context"
	"fmt"
	"sync"
)

// heights is what the network knows of the chain's progress.
type heights struct {
	mu      sync.Mutex
	height  int64
	err     error         // why no block follows, the first cause only
	changed chan struct{} // closed and replaced at each change
}

func newHeights() *heights { return &heights{changed: make(chan struct{})} }

// reached says that the block of height is committed.
func (h *heights) reached(height int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if height > h.height {
		h.height = height
		h.announce()
	}
}

// fail says that no block follows.
func (h *heights) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		h.announce()
	}
}

// resume forgets a failure: the node runs again.
func (h *heights) resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = nil
}

func (h *heights) announce() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// now returns what is known, with a channel that is closed when it changes.
// failure is why no block follows, nil while blocks do.
func (h *heights) now() (height int64, changed <-chan struct{}, failure error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.height, h.changed, h.err
}

// await returns when height is reached or cannot be.
func (h *heights) await(ctx context.Context, height int64) error {
	for {
		latest, changed, err := h.now()
		if latest >= height {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for height %d at %d: %w", height, latest, err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for height %d at %d: %w", height, latest, context.Cause(ctx))
		}
	}
}

// wait returns the failure when there is one, or nil when ctx ends first.
func (h *heights) wait(ctx context.Context) error {
	for {
		_, changed, err := h.now()
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
