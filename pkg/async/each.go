package async

import (
	"context"
	"slices"
	"sync/atomic"
)

// Each calls do with 0 to n-1, at most atOnce at a time, of which one runs on the
// caller's goroutine. It returns when all calls have returned, with the errors of those
// that failed, in order of their numbers; a panic is one, a *PanicError. Once ctx has
// ended, calls that have not begun are left out.
func Each(ctx context.Context, atOnce, n int, do func(ctx context.Context, i int) error) []error {
	errs := make([]error, n)
	var next atomic.Int64
	work := func(ctx context.Context) error {
		for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
			errs[i] = ErrExited // unless do returns
			errs[i] = protect(ctx, func(ctx context.Context) error { return do(ctx, i) })
		}
		return nil
	}
	group, patient := NewGroup(ctx), context.WithoutCancel(ctx)
	defer func() { _ = group.Stop(patient) }() // fails only if patient ends
	for range min(atOnce, n) - 1 {
		_ = group.Go("call each", work) // fails only if the group is stopped
	}
	_ = work(ctx)
	_ = group.Wait(patient)
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}
