package ring

import (
	"testing"

	"github.com/seed52205347/relayminer/testutil/golden"
)

// newEntry returns a member's entry that is in the cache.
func newEntry(t *testing.T, cached *cache) *entry {
	t.Helper()
	var k check
	e, err := k.compute(false, golden.RingKeyA.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	k.odds.Build()
	cached.put(e)
	return e
}

func TestBuilder_DropsWhatFindsTheQueueFull(t *testing.T) {
	cached := newCache(DefaultCacheBytes)
	b, e := newBuilder(cached), newEntry(t, cached)
	for range int(levels()[0].uses) * (queueLen + 2) { // and nobody builds
		b.used(e)
	}
	if got := len(b.queue); got != queueLen {
		t.Errorf("%d builds wait, want %d", got, queueLen)
	}
}

func TestBuilder_LiftsLevelByLevel(t *testing.T) {
	cached := newCache(DefaultCacheBytes)
	b, e := newBuilder(cached), newEntry(t, cached)
	for i, step := range levels() {
		for range 2 { // the second time it is there already
			b.lift(build{e, uint32(i)})
		}
		if want := e.entrySize() + e.combSize(step.width); e.bytes != want || cached.bytes != want {
			t.Errorf("level %d: %d bytes of %d in the cache, want %d", i+1, e.bytes, cached.bytes, want)
		}
		if b.built.Load() != uint64(i+1) || e.level.Load() != uint32(i+1) {
			t.Errorf("level %d: %d were built, level is %d", i+1, b.built.Load(), e.level.Load())
		}
	}
	for range 10 * levels()[1].uses {
		b.used(e)
	}
	if len(b.queue) != 0 {
		t.Error("a build waits for an entry that has all")
	}
}

func TestBuilder_LeavesOutWhatHasNoRoom(t *testing.T) {
	first, second := levels()[0], levels()[1]
	var size entry
	size.hash = &tables{}
	cached := newCache(size.entrySize() + size.combSize(second.width) - 1)
	b, e := newBuilder(cached), newEntry(t, cached)
	b.lift(build{e, 0})
	b.lift(build{e, 1})
	if e.level.Load() != 1 || cached.bytes != e.entrySize()+e.combSize(first.width) {
		t.Errorf("level is %d with %d bytes", e.level.Load(), cached.bytes)
	}
}

func TestBuilder_LeavesOutWhatWasEvicted(t *testing.T) {
	cached := newCache(DefaultCacheBytes)
	b, e := newBuilder(cached), newEntry(t, cached)
	cached.evict(e)
	b.lift(build{e, 0})
	if b.built.Load() != 0 || cached.bytes != 0 {
		t.Errorf("%d were built, of %d bytes", b.built.Load(), cached.bytes)
	}
}

// An entry finds no place in the cache if another of its key was there first. A ring in
// which it is often a member counts as many uses.
func TestBuilder_LeavesOutWhatIsNotInTheCache(t *testing.T) {
	cached := newCache(DefaultCacheBytes)
	b, first := newBuilder(cached), newEntry(t, cached)
	second := newEntry(t, cached)
	b.lift(build{second, 0})
	if b.built.Load() != 0 || cached.bytes != first.entrySize() {
		t.Errorf("%d were built, %d bytes count, the cache has one entry of %d", b.built.Load(), cached.bytes, first.entrySize())
	}
}

// A wide comb takes free memory only, one of the first level that of what is not in use.
func TestBuilder_EvictsForTheFirstLevelOnly(t *testing.T) {
	first, second := levels()[0], levels()[1]
	var size entry
	size.hash = &tables{}
	cached := newCache(size.entrySize() + size.combSize(second.width))
	b, e := newBuilder(cached), newEntry(t, cached)
	idle := &entry{key: cacheKey{image: true}}
	cached.put(idle)
	if !cached.grow(idle, cached.limit-cached.bytes, false) {
		t.Fatal("the cache is not filled")
	}
	b.lift(build{e, 0})
	if e.level.Load() != 1 || cached.entries[idle.key] == idle {
		t.Fatalf("level is %d, what is idle is there: %v", e.level.Load(), cached.entries[idle.key] == idle)
	}
	again := &entry{key: cacheKey{image: true}}
	cached.put(again)
	b.lift(build{e, 1})
	if e.level.Load() != 1 || cached.entries[again.key] != again || cached.bytes != again.bytes+e.entrySize()+e.combSize(first.width) {
		t.Errorf("level is %d, the other is there: %v", e.level.Load(), cached.entries[again.key] == again)
	}
}
