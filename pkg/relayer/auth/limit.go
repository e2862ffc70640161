package auth

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// buckets limits how often something may be done for each key: burst times at
// once, and rate times a second on average. At its bound the key that was not
// used for longest is forgotten, so that a new key always has a full bucket.
type buckets[K comparable] struct {
	rate, burst float64

	mu    sync.Mutex
	table *simplelru.LRU[K, *bucket]
}

// bucket is what is left for a key.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was right
}

// newBuckets returns buckets for at most bound keys, which must be positive.
func newBuckets[K comparable](bound int, rate, burst float64) (*buckets[K], error) {
	table, err := simplelru.NewLRU[K, *bucket](bound, nil)
	if err != nil {
		return nil, err
	}
	return &buckets[K]{rate: rate, burst: burst, table: table}, nil
}

// take takes one token of the key at the given time. It is false if none is left.
func (b *buckets[K]) take(key K, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	left, ok := b.table.Get(key)
	if !ok {
		left = &bucket{tokens: b.burst, at: now}
		b.table.Add(key, left)
	}
	if passed := now.Sub(left.at); passed > 0 {
		left.tokens = min(b.burst, left.tokens+passed.Seconds()*b.rate)
		left.at = now
	}
	if left.tokens < 1 {
		return false
	}
	left.tokens--
	return true
}

// giveBack returns a token that was taken for nothing.
func (b *buckets[K]) giveBack(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if left, ok := b.table.Get(key); ok {
		left.tokens = min(b.burst, left.tokens+1)
	}
}
