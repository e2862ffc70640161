package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// blockTimeWeight is the share of the newest interval in the observed block time.
const blockTimeWeight = 0.2

// follower makes one unbroken chain out of what a feed says. It is owned by one
// goroutine.
type follower struct {
	feed feed
	log  *slog.Logger
	emit func(context.Context, *relayer.Block) error
	// tolerance is how many blocks the feed may be behind the block emitted last
	// without having gone back.
	tolerance int64

	processed int64          // height that an earlier run has seen, 0 if none
	next      int64          // height of the block to emit next, 0 before the first
	last      *relayer.Block // emitted last
	blockTime time.Duration  // moving average of the time between blocks, 0 if unknown
}

// hear takes a head that was announced, and fetches what is missing before it.
func (f *follower) hear(ctx context.Context, h head) error {
	switch height := h.block.Height; {
	case f.next == 0:
		return f.catchUp(ctx)
	case height == f.next:
		return f.accept(ctx, h)
	case height > f.next:
		return f.fetch(ctx, height)
	case f.last != nil && height == f.last.Height && !bytes.Equal(h.block.Hash, f.last.Hash):
		return f.disown(h, fmt.Errorf("%w: block %d was %X and now is %X", ErrChainRegressed, height, f.last.Hash, h.block.Hash))
	}
	return nil // seen already, by polling or from a node that lags
}

// catchUp asks for the newest height and fetches what is missing up to it.
func (f *follower) catchUp(ctx context.Context) error {
	newest, err := f.feed.latest(ctx)
	if err != nil {
		return err
	}
	if f.next == 0 {
		if err := f.begin(newest); err != nil {
			return err
		}
	}
	if newest < f.next-1-f.tolerance {
		return fmt.Errorf("%w: node is at block %d after block %d", ErrChainRegressed, newest, f.next-1)
	}
	return f.fetch(ctx, newest)
}

// begin chooses the first block to emit: the newest, on which it depends what is
// due. What happened in the blocks since the earlier run is looked up by height
// where somebody needs it.
func (f *follower) begin(newest int64) error {
	switch {
	case newest < 1:
		return fmt.Errorf("%w: the chain has no block yet", ErrHeightAhead)
	case newest < f.processed-f.tolerance:
		return fmt.Errorf("%w: node is at block %d, block %d was seen before", ErrChainRegressed, newest, f.processed)
	case f.processed > 0 && newest > f.processed:
		f.log.Info("blocks since the last run", "from", f.processed+1, "to", newest)
	}
	f.next = newest
	return nil
}

// fetch emits the blocks from the next one to height.
func (f *follower) fetch(ctx context.Context, height int64) error {
	for f.next <= height {
		heads, err := f.feed.headers(ctx, f.next, height)
		if errors.Is(err, ErrHeightPruned) {
			if err = f.skip(ctx, height); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		for _, h := range heads {
			if err := f.accept(ctx, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// skip gives up blocks that the node does not keep. No other outcome is possible
// without another node, and to stop here would lose the sessions to come too.
func (f *follower) skip(ctx context.Context, height int64) error {
	oldest, err := f.feed.oldest(ctx)
	if err != nil {
		return err
	}
	if oldest <= f.next || oldest > height {
		return fmt.Errorf("%w: block %d, oldest is %d", ErrHeightPruned, f.next, oldest)
	}
	f.log.Error("blocks are skipped because the node has pruned them", "from", f.next, "to", oldest-1)
	f.next = oldest
	return nil
}

// accept emits the next block if it continues the chain.
func (f *follower) accept(ctx context.Context, h head) error {
	b := h.block
	if b.Height != f.next {
		return fmt.Errorf("%w: block %d in place of block %d", ErrMalformed, b.Height, f.next)
	}
	continues := f.last != nil && f.last.Height == b.Height-1
	if continues && !bytes.Equal(h.parent, f.last.Hash) {
		return f.disown(h, fmt.Errorf("%w: block %d follows %X, block %d was %X",
			ErrChainRegressed, b.Height, h.parent, f.last.Height, f.last.Hash))
	}
	if err := f.emit(ctx, b); err != nil {
		return err
	}
	if continues {
		f.observe(b.Time.Sub(f.last.Time))
	}
	f.last, f.next = b, b.Height+1
	return nil
}

// disown tells the feed that what it said of a block cannot be believed.
func (f *follower) disown(h head, err error) error {
	f.feed.disown(h, err)
	return err
}

// observe updates the block time by one interval.
func (f *follower) observe(interval time.Duration) {
	if interval <= 0 {
		return
	}
	if f.blockTime == 0 {
		f.blockTime = interval
		return
	}
	f.blockTime += time.Duration(blockTimeWeight * float64(interval-f.blockTime))
}
