package relayer

import (
	"context"

	"github.com/seed52205347/relayminer/pkg/observable"
)

// FollowBlocks calls f with the blocks that the source replays and with newer ones until
// ctx ends, one at a time. While f is at work a block that waits makes way for a newer
// one. The name is for reports of a panic of f, which ends nothing. FollowBlocks returns
// when f has, with the error of ctx.
func FollowBlocks(ctx context.Context, source BlockSource, name string, f func(context.Context, *Block)) error {
	blocks, leave := source.Blocks().Subscribe(
		observable.WithName(name), observable.WithBuffer(1), observable.WithOverflow(observable.DropOldest))
	done := observable.ForEach(blocks, func(_ context.Context, b *Block) error {
		f(ctx, b)
		return nil
	}, observable.WithName(name))
	<-ctx.Done()
	leave()
	<-done
	return ctx.Err()
}
