package ring

import (
	"sync"
	"sync/atomic"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// tables are the precomputed multiples of one point: a few always, many
// once a comb was built.
type tables struct {
	odd  curve.Odd
	comb atomic.Pointer[curve.Comb]
}

// base returns the multiples to compute with.
func (t *tables) base() curve.Base {
	return curve.Base{Comb: t.comb.Load(), Odd: &t.odd}
}

// cacheKey is the name of an entry: a key as it is in signatures, or a key image.
type cacheKey struct {
	image bool
	point [KeySize]byte
}

// entry is what depends on a member's key alone, or on a key image alone.
type entry struct {
	key   cacheKey
	point tables
	hash  *tables // of the point that the key is hashed to; nil for key images

	uses   atomic.Uint32 // since the last level, or the last attempt to reach the next
	level  atomic.Uint32 // how many of the levels were reached
	recent atomic.Bool   // used since the cache's hand last passed

	bytes int // guarded by the cache
}

// entrySize returns the size of an entry without combs, in bytes. It counts
// the entry's place in the cache with a round number.
func (e *entry) entrySize() int {
	const overhead = 256
	if e.hash == nil {
		return curve.OddSize + overhead
	}
	return 2*curve.OddSize + overhead
}

// combSize returns the size in bytes of the entry's combs of the given width.
func (e *entry) combSize(width int) int {
	if e.hash == nil {
		return curve.CombSize(width)
	}
	return 2 * curve.CombSize(width)
}

// buildCombs gives the entry combs of the given width.
func (e *entry) buildCombs(width int) {
	e.point.comb.Store(curve.NewComb(e.point.odd.Point(), width))
	if e.hash != nil {
		e.hash.comb.Store(curve.NewComb(e.hash.odd.Point(), width))
	}
}

// cache holds entries up to a number of bytes. Beyond it, a new entry takes the
// place of some that were not used since the hand last passed them (the CLOCK
// algorithm).
type cache struct {
	limit int // bytes

	mu      sync.RWMutex
	entries map[cacheKey]*entry
	clock   []*entry
	hand    int
	bytes   int
	evicted uint64
}

func newCache(limit int) *cache {
	return &cache{limit: limit, entries: make(map[cacheKey]*entry)}
}

// get returns the entry of a key, or of a key image, or nil.
func (c *cache) get(image bool, point []byte) *entry {
	key := cacheKey{image: image, point: [KeySize]byte(point)}
	c.mu.RLock()
	e := c.entries[key]
	c.mu.RUnlock()
	if e != nil && !e.recent.Load() {
		e.recent.Store(true)
	}
	return e
}

// put adds an entry unless there is one of that name or no room can be made.
func (c *cache) put(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := e.entrySize()
	if _, exists := c.entries[e.key]; exists || !c.makeRoom(size, nil) {
		return
	}
	e.bytes = size
	e.recent.Store(true)
	c.bytes += size
	c.entries[e.key] = e
	c.clock = append(c.clock, e)
}

// grow gives an entry more bytes and returns true. It returns false if the
// entry is not in the cache, or not any more, or if there is no room; room is made
// only if evict says so.
func (c *cache) grow(e *entry, bytes int, evict bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[e.key] != e || c.bytes+bytes > c.limit && (!evict || !c.makeRoom(bytes, e)) {
		return false
	}
	e.bytes += bytes
	c.bytes += bytes
	return true
}

// makeRoom evicts until there is room for bytes, but never keep. It passes each entry
// at most twice.
func (c *cache) makeRoom(bytes int, keep *entry) bool {
	if keep != nil && keep.bytes+bytes > c.limit || bytes > c.limit {
		return false
	}
	for passes := 2 * len(c.clock); c.bytes+bytes > c.limit && passes > 0 && len(c.clock) > 0; passes-- {
		c.hand %= len(c.clock)
		e := c.clock[c.hand]
		if e == keep || e.recent.Swap(false) {
			c.hand++
			continue
		}
		c.evict(e)
	}
	return c.bytes+bytes <= c.limit
}

// evict removes the entry at the hand.
func (c *cache) evict(e *entry) {
	delete(c.entries, e.key)
	last := len(c.clock) - 1
	c.clock[c.hand] = c.clock[last]
	c.clock[last] = nil
	c.clock = c.clock[:last]
	c.bytes -= e.bytes
	c.evicted++
}

// usage returns how many entries there are, of how many bytes, and how many
// were evicted.
func (c *cache) usage() (entries, bytes int, evicted uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.entries), c.bytes, c.evicted
}
