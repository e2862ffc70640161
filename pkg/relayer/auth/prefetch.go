package auth

import (
	"context"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

const (
	// prefetchWorkers is how many sessions are asked for at a time.
	prefetchWorkers = 8
	// prefetchTime bounds what is done at one block.
	prefetchTime = 30 * time.Second
)

// Follow begins to look up, whenever a session begins, the sessions of those
// applications that were served in the one before, so that their first relay
// finds them in the table. It needs the BlockSource's stream. What fails is looked
// up when the first relay asks for it. stop ends it and waits for its goroutines.
func (a *Authenticator) Follow(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	blocks, leave := a.blocks.Blocks().Subscribe(
		observable.WithName("auth_blocks"),
		observable.WithBuffer(1),
		observable.WithOverflow(observable.DropOldest),
	)
	done := observable.ForEach(blocks, a.prefetch,
		observable.WithName("prefetch_sessions"), observable.WithContext(ctx))
	return func() {
		cancel()
		leave()
		<-done
	}
}

// prefetch looks up the sessions that begin with the block.
func (a *Authenticator) prefetch(ctx context.Context, block *relayer.Block) error {
	ctx, cancel := context.WithTimeout(ctx, prefetchTime)
	defer cancel()
	params, err := a.shared.SharedParams(ctx)
	if err != nil || !sharedtypes.IsSessionStartHeight(params, block.Height) {
		return nil // the first relay asks again
	}
	ended := a.sessions.ended(block.Height - 1)
	past := make(chan *knownSession, len(ended)) // filled and closed here
	for _, session := range ended {
		past <- session
	}
	close(past)
	workers := async.NewGroup(ctx)
	for range min(prefetchWorkers, len(ended)) {
		err := workers.Go("prefetch sessions", func(ctx context.Context) error {
			for session := range past {
				a.prefetchOne(ctx, session, block.Height)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return workers.Wait(context.WithoutCancel(ctx))
}

// prefetchOne looks up the session at the height that follows the past one, and
// the members of its ring. Errors are left to the first relay, which meets them too.
func (a *Authenticator) prefetchOne(ctx context.Context, past *knownSession, height int64) {
	key := keyOf(&past.header)
	key.start = height
	next, err := a.sessions.ask(ctx, key)
	if err == nil {
		_, _, _ = a.rings.allowedKeys(ctx, &next.header)
	}
}
