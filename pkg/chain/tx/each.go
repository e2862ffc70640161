package tx

import (
	"context"
	"fmt"
	"sync/atomic"

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
	var next atomic.Int64
	group := async.NewGroup(context.Background())
	for worker := range min(atOnce, n) {
		// Fails only for a group that was stopped; this one is new.
		_ = group.Go(fmt.Sprintf("caller %d", worker), func(context.Context) error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
			return nil
		})
	}
	_ = group.Stop(context.Background()) // waits for all of them, whatever they do
	if err := group.Err(); err != nil {
		panic(err)
	}
}
