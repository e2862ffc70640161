package observable

import "github.com/reactivex/rxgo/v2"

// Merge returns one stream of the items of all ins. The items of each keep
// their order; between them there is none. It completes when all of them have
// completed, at once if there are none.
func Merge[A any](ins []Observable[A], opts ...Option) Observable[A] {
	st := newStage("merge", opts)
	above := make([]func() <-chan rxgo.Item, len(ins))
	for i, in := range ins {
		above[i] = take(in)
	}
	return newStream[A](st, func() <-chan rxgo.Item {
		out := st.newOutput()
		if len(above) == 0 {
			close(out)
			return out
		}
		forward := func(i int) {
			for item := range above[i]() {
				if item.E != nil {
					st.failedItem(item.E)
					continue
				}
				st.stats.in.Add(1)
				st.stats.out.Add(1)
				out <- item
			}
		}
		workers(len(above), forward, func() { close(out) })
		return out
	})
}
