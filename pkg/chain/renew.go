package chain

import (
	"context"
	"errors"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// errSilent says that a subscription did not tell of blocks that there are.
var errSilent = errors.New("the subscription is silent while there are new blocks")

// subscription is one that is open, or about to be.
type subscription struct {
	since time.Time
	leave context.CancelCauseFunc
}

// subscribe keeps a subscription open. Its failures are the follower's to make
// up for, so they are told once per outage.
func (d *BlockDriver) subscribe(ctx context.Context, events chan<- head) error {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		heard, err := d.subscribeOnce(ctx, events)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errOtherServer) {
			d.log.Info("block subscription moves", "error", err)
			continue
		}
		if heard || pause == 0 {
			d.log.Warn("block subscription broke", "error", err)
			pause = time.Second
		}
		if !async.Sleep(ctx, pause) {
			break
		}
		pause = min(2*pause, maxBackoff)
	}
	return ctx.Err()
}

// subscribeOnce hands on what a subscription says until it breaks or the follower
// gives it up, and reports whether it has said anything, and why it ended.
func (d *BlockDriver) subscribeOnce(ctx context.Context, events chan<- head) (heard bool, err error) {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	d.open.Store(&subscription{since: time.Now(), leave: leave})
	defer d.open.Store(nil)
	err = d.feed.subscribe(ctx, func(h head) {
		heard = true
		select {
		case events <- h:
		case <-ctx.Done():
		}
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return heard, err
}

// renew gives up a subscription that says nothing although it has been open for a
// while, so that another is opened. The server may have lost it without closing the
// connection.
func (d *BlockDriver) renew() {
	if open := d.open.Load(); open != nil && time.Since(open.since) >= d.renewal {
		open.leave(errSilent)
	}
}
