package tx

import (
	"context"

	"github.com/seed52205347/relayminer/pkg/async"
)

// each calls f with 0 to n-1, at most so many at once, and returns when all calls
// are done. It panics if a call has.
func each(atOnce, n int, f func(i int)) {
	if atOnce == 1 || n == 1 {
		for i := range n {
			f(i)
		}
		return
	}
	errs := async.Each(context.Background(), atOnce, n, func(_ context.Context, i int) error {
		f(i)
		return nil
	})
	if len(errs) > 0 {
		panic(errs[0])
	}
}
