package relayer_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// replayed is a BlockSource whose newest block is not asked for.
type replayed struct {
	*observable.Replay[*relayer.Block]
}

func (r replayed) Blocks() relayer.BlocksObservable { return r.Replay }
func (replayed) Latest() *relayer.Block             { return nil }

// commit publishes blocks.
func (r replayed) commit(t *testing.T, heights ...int64) {
	t.Helper()
	for _, height := range heights {
		if err := r.Publish(t.Context(), &relayer.Block{Height: height}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFollowBlocks_NewestBlockIsWorkedOnAndOlderOnesMakeWay(t *testing.T) {
	source := replayed{observable.NewReplay[*relayer.Block](1)}
	defer source.Close()
	source.commit(t, 1, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun, goOn, ended := make(chan int64), make(chan struct{}), make(chan error)
	go func() { // awaited below
		ended <- relayer.FollowBlocks(ctx, source, "test", func(_ context.Context, b *relayer.Block) {
			begun <- b.Height
			<-goOn
		})
	}()
	if height := <-begun; height != 2 {
		t.Errorf("begins with block %d, want the newest", height)
	}
	source.commit(t, 3, 4, 5, 6, 7, 8, 9)
	skipped, last := false, int64(2)
	for last < 9 {
		goOn <- struct{}{}
		height := <-begun
		skipped = skipped || height > last+1
		last = height
	}
	if !skipped {
		t.Error("worked on every block, however old")
	}
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("ended during the work on a block: %v", err)
	case goOn <- struct{}{}:
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestFollowBlocks_PanicEndsNothing(t *testing.T) {
	source := replayed{observable.NewReplay[*relayer.Block](1)}
	defer source.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun, ended := make(chan int64), make(chan error)
	go func() { // awaited below
		ended <- relayer.FollowBlocks(ctx, source, "test", func(_ context.Context, b *relayer.Block) {
			begun <- b.Height
			panic("broken")
		})
	}()
	for height := range int64(3) {
		source.commit(t, height)
		if got := <-begun; got != height {
			t.Errorf("block %d, want %d", got, height)
		}
	}
	cancel()
	<-ended
}
