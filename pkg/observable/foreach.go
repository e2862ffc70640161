package observable

import (
	"context"

	"github.com/reactivex/rxgo/v2"
)

// ForEach runs fn on every item and sets the whole pipeline above in motion.
// Items for which fn returns an error or panics are reported, and the next item
// is handled. done is closed when the stream has completed and everything that
// was accepted has been handled.
func ForEach[A any](in Observable[A], fn func(context.Context, A) error, opts ...Option) (done <-chan struct{}) {
	st := newStage("for_each", opts)
	above := take(in)
	run := func(ctx context.Context, a A) (struct{}, error) { return struct{}{}, fn(ctx, a) }
	handle := func(v any) {
		if _, ok := try(st, v, run); ok {
			st.stats.out.Add(1)
		}
	}

	items := rxgo.FromChannel(above())
	if st.pool > 1 {
		// rxgo's ForEach knows no pool, its Filter does: each worker handles
		// the item and lets nothing through.
		items = items.Filter(func(v any) bool { handle(v); return false }, st.rxOptions()...)
	}
	return items.ForEach(handle, st.failedItem, func() {})
}
