package chain

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed52205347/relayminer/pkg/async"
)

// panickingFeed panics when it is asked for the newest height, a number of times.
type panickingFeed struct {
	*testFeed
	panics atomic.Int64
}

func (f *panickingFeed) latest(ctx context.Context) (int64, error) {
	if f.panics.Add(-1) >= 0 {
		panic("index out of range")
	}
	return f.testFeed.latest(ctx)
}

func TestBlockDriver_FollowsAgainAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &panickingFeed{testFeed: newTestFeed(5)}
		feed.panics.Store(2)
		d, err := newBlockDriver(feed, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d.Latest().Height != 5 {
			t.Errorf("at block %d", d.Latest().Height)
		}
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestBlockDriver_TellsWhenItHasFailedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &panickingFeed{testFeed: newTestFeed(5)}
		feed.panics.Store(1 << 32)
		fatal := async.NewFatal()
		d, err := newBlockDriver(feed, slog.New(slog.DiscardHandler), WithOnFailure(fatal.Fail))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		started := make(chan error, 1)
		go func() { started <- d.Start(ctx) }()
		<-fatal.Failed()
		if err := fatal.Err(); !strings.Contains(err.Error(), "block follower") || !strings.Contains(err.Error(), "index out of range") {
			t.Errorf("%v does not say what has failed", err)
		}
		cancel()
		if err := <-started; err == nil {
			t.Error("the driver has started")
		}
	})
}
