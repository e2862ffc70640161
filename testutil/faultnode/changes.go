package faultnode

import (
	"context"
	"sync"
)

// changes lets goroutines wait for a condition on counters.
type changes struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	over    bool          // the proxy is closed
}

func newChanges() *changes { return &changes{changed: make(chan struct{})} }

func (c *changes) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// end ends all waiting.
func (c *changes) end() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.announce()
}

// await returns when the condition holds, which it looks at after each change. The
// error is ctx's, or ErrClosed.
func (c *changes) await(ctx context.Context, holds func() bool) error {
	for {
		c.mu.Lock()
		changed, over := c.changed, c.over
		c.mu.Unlock()
		switch {
		case holds():
			return nil
		case over:
			return ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
