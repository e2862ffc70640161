package ring

import (
	"context"
	"sync/atomic"
)

// level is a step in how much is precomputed for a point.
type level struct {
	uses  uint32 // since the level before
	width int    // of the comb
	evict bool   // whether other entries may make room for it
}

// levels are the steps: a comb for what is used at all, worth its making after some
// sixteen uses, and a wide one, in free memory only, for what is used all the time, such as the
// key of a gateway. See docs/benchmarks.md for what the widths cost and save.
func levels() [2]level {
	return [...]level{
		{uses: 16, width: 6, evict: true},
		{uses: 4096, width: 8},
	}
}

// builder makes combs on a goroutine of its own. It does one at a time, so that it takes
// at most one core. What finds the queue full, or no room in the cache, tries
// again after as many uses.
type builder struct {
	cached *cache
	queue  chan build // never closed
	built  atomic.Uint64
}

// build asks for the combs that lift an entry from a level to the next.
type build struct {
	entry *entry
	from  uint32
}

// queueLen bounds how many builds wait.
const queueLen = 256

func newBuilder(cached *cache) *builder {
	return &builder{cached: cached, queue: make(chan build, queueLen)}
}

// run builds until ctx is done.
func (b *builder) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case next := <-b.queue:
			b.lift(next)
		}
	}
}

// used notes that an entry was used.
func (b *builder) used(e *entry) {
	uses, from, steps := e.uses.Add(1), e.level.Load(), levels()
	if int(from) >= len(steps) || uses < steps[from].uses {
		return
	}
	e.uses.Store(0)
	select {
	case b.queue <- build{e, from}:
	default:
	}
}

// lift builds the combs of an entry's next level.
func (b *builder) lift(next build) {
	e, steps := next.entry, levels()
	if e.level.Load() != next.from {
		return
	}
	step := steps[next.from]
	size := e.combSize(step.width)
	if next.from > 0 {
		size -= e.combSize(steps[next.from-1].width)
	}
	if !b.cached.grow(e, size, step.evict) {
		return
	}
	e.buildCombs(step.width)
	e.level.Store(next.from + 1)
	b.built.Add(1)
}
