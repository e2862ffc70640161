package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

const (
	// processedCursor is the cursor of the newest block that was processed.
	processedCursor = "processed_height"
	// cursorBlocks is how many blocks pass between two writes of the cursor, each of
	// which costs a sync. After a crash the cursor is that old at most.
	cursorBlocks = 8
)

// cursors keeps heights over a restart.
type cursors interface {
	SetCursor(name string, value int64) error
	Cursor(name string) (int64, error)
}

var _ cursors = (*store.Store)(nil)

// processedHeight returns the height of the newest block that an earlier run has
// processed, or somewhat less after a crash, and 0 if there was none.
func processedHeight(from cursors) (int64, error) {
	height, err := from.Cursor(processedCursor)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("relay store: %w", err)
	}
	return height, nil
}

// heightKeeper writes down how far the chain was followed.
type heightKeeper struct {
	to     cursors
	blocks relayer.BlockSource
	log    *slog.Logger
	group  *async.Group

	written int64 // height in the cursor; of the goroutine
}

// keepHeight begins to write down which blocks were processed, until Stop.
func keepHeight(to cursors, blocks relayer.BlockSource, log *slog.Logger) (*heightKeeper, error) {
	k := &heightKeeper{to: to, blocks: blocks, log: log}
	k.group = async.NewGroup(context.Background(), async.OnFailure(func(name string, err error) {
		log.Error("processed height is not written down any more", "goroutine", name, "error", err)
	}))
	return k, k.group.Supervise("height keeper", async.Restart{}, k.follow)
}

// Stop writes the newest height down and ends.
func (k *heightKeeper) Stop(ctx context.Context) error { return k.group.Stop(ctx) }

func (k *heightKeeper) follow(ctx context.Context) error {
	err := relayer.FollowBlocks(ctx, k.blocks, "write_height", func(_ context.Context, b *relayer.Block) {
		if b.Height >= k.written+cursorBlocks {
			k.write(b.Height)
		}
	})
	if latest := k.blocks.Latest(); latest != nil && latest.Height > k.written {
		k.write(latest.Height)
	}
	return err
}

// write writes a height down. A store that cannot be written to tells so for every
// relay, so a height more is no news.
func (k *heightKeeper) write(height int64) {
	if err := k.to.SetCursor(processedCursor, height); err != nil {
		k.log.Debug("processed height is not written down", "height", height, "error", err)
		return
	}
	k.written = height
}
