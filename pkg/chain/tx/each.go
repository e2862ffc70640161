package tx

import "golang.org/x/sync/errgroup"

// each calls f with 0 to n-1, at most so many at once, and returns when all calls
// are done.
func each(atOnce, n int, f func(i int)) {
	if atOnce == 1 || n == 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error { f(i); return nil })
	}
	_ = group.Wait() // f has no error to return
}
