package observable

import (
	"context"

	"github.com/reactivex/rxgo/v2"
)

// Map returns the stream of fn's results. Items for which fn returns an error
// or panics are reported and dropped. Order is kept unless WithPool is given.
func Map[A, B any](in Observable[A], fn func(context.Context, A) (B, error), opts ...Option) Observable[B] {
	st := newStage("map", opts)
	above := take(in)
	apply := func(_ context.Context, v any) (any, error) {
		result, ok := try(st, v, fn)
		if !ok {
			return nil, errDropped
		}
		st.stats.out.Add(1)
		return result, nil
	}
	return newStream[B](st, func() <-chan rxgo.Item {
		return st.watched(rxgo.FromChannel(above()).Map(apply, st.rxOptions()...).Observe())
	})
}

// Filter returns the stream of those items for which keep returns true. Items
// for which keep panics are reported and dropped. Order is kept unless WithPool
// is given.
func Filter[A any](in Observable[A], keep func(A) bool, opts ...Option) Observable[A] {
	st := newStage("filter", opts)
	above := take(in)
	fn := func(_ context.Context, a A) (bool, error) { return keep(a), nil }
	apply := func(v any) bool {
		kept, ok := try(st, v, fn)
		if !ok || !kept {
			return false
		}
		st.stats.out.Add(1)
		return true
	}
	return newStream[A](st, func() <-chan rxgo.Item {
		return st.watched(rxgo.FromChannel(above()).Filter(apply, st.rxOptions()...).Observe())
	})
}

// MapExpand returns the stream of the elements of fn's results, zero or more
// per item, in order. The results of an item for which fn returns an error or
// panics are discarded and the item is reported. With WithPool the elements of
// different items may alternate; those of one item keep their order.
//
// It has goroutines of its own, since rxgo's FlatMap makes a new stream for
// every item.
func MapExpand[A, B any](in Observable[A], fn func(context.Context, A) ([]B, error), opts ...Option) Observable[B] {
	st := newStage("map_expand", opts)
	above := take(in)
	return newStream[B](st, func() <-chan rxgo.Item {
		items, out := above(), st.newOutput()
		expand := func(int) {
			for item := range items {
				if item.E != nil {
					st.failedItem(item.E)
					continue
				}
				results, ok := try(st, item.V, fn)
				if !ok {
					continue
				}
				for _, result := range results {
					st.stats.out.Add(1)
					out <- rxgo.Item{V: result}
				}
			}
		}
		workers(max(st.pool, 1), expand, func() { close(out) })
		return out
	})
}
