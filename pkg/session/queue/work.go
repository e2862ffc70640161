package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/async"
)

// Handler works on an item, and returns 0 when nothing is left to be done by a
// worker, or the height at which the item is to be given out again. It should return
// soon after ctx is done.
type Handler[P any] func(ctx context.Context, item Item[P]) (retryAt int64)

// Work is one worker: it takes items and gives back what handle is through with,
// until ctx is done, whose cause it returns. A queue is worked on by as many workers
// as run Work.
//
// An item whose handler panics is given out again at the next height. Panics, as
// *async.PanicError, and errors of the backlog are told to report.
func (q *Queue[P]) Work(ctx context.Context, handle Handler[P], report func(error)) error {
	for {
		item, err := q.Take(ctx)
		var backlog *BacklogError
		switch {
		case errors.As(err, &backlog):
			report(err)
		case err != nil:
			return err
		default:
			q.workOn(ctx, item, handle, report)
		}
	}
}

// workOn lets handle work on an item and gives it back, whatever happens.
func (q *Queue[P]) workOn(ctx context.Context, item Item[P], handle Handler[P], report func(error)) {
	again := q.nextHeight()
	defer func() {
		if value := recover(); value != nil {
			report(fmt.Errorf("work on %s: %w", item.Key, async.NewPanicError(value)))
		}
		if again > 0 {
			q.Retry(item, again)
			return
		}
		q.Done(item)
	}()
	again = handle(ctx, item)
}

func (q *Queue[P]) nextHeight() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.height + 1
}
