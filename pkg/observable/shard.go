package observable

import (
	"context"
	"sync"

	"github.com/reactivex/rxgo/v2"
)

// Shard spreads a stream over k streams: items with equal key go to the same
// one, in order, so that they can be worked on in order per key and in parallel
// across keys. k below 1 counts as 1. Items for which key panics are reported
// and dropped.
//
// Each of the streams has a buffer of its own and must have a consumer: when
// one of them has no room, the others wait too. Distribution begins when the
// first of them is consumed.
func Shard[A any](in Observable[A], k int, key func(A) uint64, opts ...Option) []Observable[A] {
	st := newStage("shard", opts)
	k = max(k, 1)
	sh := &sharder[A]{
		st:    st,
		above: take(in),
		key:   func(_ context.Context, a A) (uint64, error) { return key(a), nil },
		outs:  make([]chan rxgo.Item, k),
	}
	streams := make([]Observable[A], k)
	for i := range k {
		sh.outs[i] = make(chan rxgo.Item, st.buffer)
		streams[i] = newStream[A](st, func() <-chan rxgo.Item {
			sh.begin.Do(func() { go sh.run(sh.above()) })
			return sh.outs[i]
		})
	}
	st.stats.watch(sh.queued)
	return streams
}

// sharder is the distributor of one Shard.
type sharder[A any] struct {
	st    *stage
	above func() <-chan rxgo.Item
	begin sync.Once
	key   func(context.Context, A) (uint64, error)
	outs  []chan rxgo.Item // closed by run
}

func (s *sharder[A]) run(items <-chan rxgo.Item) {
	defer func() {
		for _, out := range s.outs {
			close(out)
		}
	}()
	for item := range items {
		if item.E != nil {
			s.st.failedItem(item.E)
			continue
		}
		key, ok := try(s.st, item.V, s.key)
		if !ok {
			continue
		}
		s.st.stats.out.Add(1)
		s.outs[key%uint64(len(s.outs))] <- item
	}
}

func (s *sharder[A]) queued() int {
	n := 0
	for _, out := range s.outs {
		n += len(out)
	}
	return n
}
