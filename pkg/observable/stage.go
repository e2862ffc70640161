package observable

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/reactivex/rxgo/v2"

	"github.com/seed52205347/relayminer/pkg/async"
)

// stage is what all sources, stages and subscriptions have in common: the
// options and the accounting.
type stage struct {
	name     string
	buffer   int
	pool     int // 1 or less: sequential
	overflow Overflow
	ctx      context.Context
	stats    *Stats
	handle   func(name string, item any, err error)
}

func newStage(kind string, opts []Option) *stage {
	s := defaultStage(kind)
	for _, opt := range opts {
		opt.applyStage(s)
	}
	return s
}

func defaultStage(kind string) *stage {
	return &stage{
		name:   kind,
		buffer: DefaultBuffer,
		ctx:    context.Background(),
		stats:  new(Stats),
		handle: logError,
	}
}

// rxOptions returns the options of the stage's rxgo operator. There is never a
// context among them, and never rxgo's default error strategy, which leaves the
// stages above blocked for ever after the first error.
func (s *stage) rxOptions() []rxgo.Option {
	opts := []rxgo.Option{
		rxgo.WithBufferedChannel(s.buffer),
		rxgo.WithErrorStrategy(rxgo.ContinueOnError),
	}
	if s.pool > 1 {
		opts = append(opts, rxgo.WithPool(s.pool))
	}
	return opts
}

// newOutput makes the channel behind a stage that is not an rxgo operator.
func (s *stage) newOutput() chan rxgo.Item {
	out := make(chan rxgo.Item, s.buffer)
	s.watched(out)
	return out
}

// watched shows the length of out in the stage's statistics.
func (s *stage) watched(out <-chan rxgo.Item) <-chan rxgo.Item {
	s.stats.watch(func() int { return len(out) })
	return out
}

// failed accounts for an item that is dropped because of err. The item is nil
// if there is none.
func (s *stage) failed(item any, err error) {
	s.stats.errors.Add(1)
	s.report(item, err)
}

// panicked accounts for an item that is dropped because of a panic. It is
// called from the deferred function that recovered value.
func (s *stage) panicked(item, value any) {
	s.stats.panics.Add(1)
	s.report(item, async.NewPanicError(value))
}

// report tells the error handler. A handler that panics must not take the
// process down either; nothing is left then to tell but the counter and the log.
func (s *stage) report(item any, err error) {
	defer func() {
		if value := recover(); value != nil {
			s.stats.panics.Add(1)
			logError(s.name, item, errors.Join(err, async.NewPanicError(value)))
		}
	}()
	s.handle(s.name, item, err)
}

// failedItem accounts for an item without a value.
func (s *stage) failedItem(err error) {
	if err == errDropped {
		return // the stage that dropped it has accounted for it
	}
	s.stats.in.Add(1)
	s.failed(nil, err)
}

// try runs fn on an untyped value. It reports false if the item is to be
// dropped, and has then accounted for it.
func try[A, B any](s *stage, v any, fn func(context.Context, A) (B, error)) (result B, ok bool) {
	s.stats.in.Add(1)
	defer func() {
		if value := recover(); value != nil {
			ok = false
			s.panicked(v, value)
		}
	}()
	a, err := cast[A](v)
	if err == nil {
		result, err = fn(s.ctx, a)
	}
	if err != nil {
		s.failed(v, err)
		return result, false
	}
	return result, true
}

// workers runs n goroutines; the last one to return calls end.
func workers(n int, run func(i int), end func()) {
	var running atomic.Int64
	running.Store(int64(n))
	for i := range n {
		go func() {
			run(i)
			if running.Add(-1) == 0 {
				end()
			}
		}()
	}
}
