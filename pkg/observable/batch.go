package observable

import (
	"time"

	"github.com/reactivex/rxgo/v2"
)

// Batch collects items into slices of at most n, in order. A slice is passed on
// when it is full, when maxWait has gone by since its first item arrived, or
// when the stream completes; it is never empty. A maxWait of zero or less means
// no limit of time, and n below 1 counts as 1. The slice belongs to the
// receiver.
//
// It has a goroutine of its own, since rxgo's BufferWithTimeOrCount exceeds its
// count. While the next stage has no room no items are taken in, so a slice can
// be later than maxWait.
func Batch[A any](in Observable[A], n int, maxWait time.Duration, opts ...Option) Observable[[]A] {
	st := newStage("batch", opts)
	b := &batcher[A]{st: st, size: max(n, 1), maxWait: maxWait}
	above := take(in)
	return newStream[[]A](st, func() <-chan rxgo.Item {
		b.out = st.newOutput()
		go b.run(above())
		return b.out
	})
}

// batchCapacity bounds what is allocated for a slice before its items arrive.
const batchCapacity = 256

// batcher is the state of one Batch, owned by the goroutine of run.
type batcher[A any] struct {
	st      *stage
	size    int
	maxWait time.Duration
	batch   []A
	out     chan rxgo.Item // closed by run
}

func (b *batcher[A]) run(items <-chan rxgo.Item) {
	defer close(b.out)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case item, ok := <-items:
			if !ok {
				b.flush()
				return
			}
			if !b.add(item) {
				continue
			}
			// A timer that still runs for a slice that became full is reset by
			// the next slice, or finds nothing to pass on.
			if len(b.batch) == b.size {
				b.flush()
			} else if len(b.batch) == 1 && b.maxWait > 0 {
				timer.Reset(b.maxWait)
			}
		case <-timer.C:
			b.flush()
		}
	}
}

func (b *batcher[A]) add(item rxgo.Item) bool {
	if item.E != nil {
		b.st.failedItem(item.E)
		return false
	}
	b.st.stats.in.Add(1)
	a, err := cast[A](item.V)
	if err != nil {
		b.st.failed(item.V, err)
		return false
	}
	if b.batch == nil {
		b.batch = make([]A, 0, min(b.size, batchCapacity))
	}
	b.batch = append(b.batch, a)
	return true
}

func (b *batcher[A]) flush() {
	if len(b.batch) == 0 {
		return
	}
	b.st.stats.out.Add(1)
	b.out <- rxgo.Item{V: b.batch}
	b.batch = nil
}
