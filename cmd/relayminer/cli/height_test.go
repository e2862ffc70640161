package cli

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// shownBlocks is a relayer.BlockSource whose blocks the test makes.
type shownBlocks struct {
	*observable.Replay[*relayer.Block]
	latest atomic.Pointer[relayer.Block]
}

func newShownBlocks(t *testing.T) *shownBlocks {
	b := &shownBlocks{Replay: observable.NewReplay[*relayer.Block](1)}
	t.Cleanup(b.Close)
	return b
}

func (b *shownBlocks) Blocks() relayer.BlocksObservable { return b.Replay }
func (b *shownBlocks) Latest() *relayer.Block           { return b.latest.Load() }

func (b *shownBlocks) show(t *testing.T, height int64) {
	t.Helper()
	block := &relayer.Block{Height: height}
	b.latest.Store(block)
	if err := b.Publish(t.Context(), block); err != nil {
		t.Fatal(err)
	}
}

// toldCursors is a store that tells of what is written.
type toldCursors struct {
	*store.Store
	mu      sync.Mutex
	refuse  error
	written chan int64
}

func (c *toldCursors) SetCursor(name string, height int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return c.refuse
	}
	err := c.Store.SetCursor(name, height)
	c.written <- height
	return err
}

func TestHeightKeeper_HeightOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	open := func() *store.Store {
		t.Helper()
		st, err := store.Open(dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := open()
	if height, err := processedHeight(st); height != 0 || err != nil {
		t.Errorf("before the first run: %d, %v", height, err)
	}
	blocks, to := newShownBlocks(t), &toldCursors{Store: st, written: make(chan int64, 100)}
	keeper, err := keepHeight(to, blocks, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	blocks.show(t, 100)
	if height := <-to.written; height != 100 {
		t.Errorf("the first block is written down as %d", height)
	}
	for height := int64(101); height < 100+cursorBlocks; height++ {
		blocks.show(t, height)
	}
	blocks.show(t, 100+cursorBlocks)
	if height := <-to.written; height != 100+cursorBlocks {
		t.Errorf("%d is written down after 100, before %d blocks", height, cursorBlocks)
	}
	blocks.show(t, 101+cursorBlocks)
	if err := errors.Join(keeper.Stop(context.Background()), st.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	st = open()
	if height, err := processedHeight(st); height != 101+cursorBlocks || err != nil {
		t.Errorf("after the restart: %d, %v", height, err)
	}
	if err := st.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := processedHeight(st); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a store that cannot be read: %v", err)
	}
}

func TestHeightKeeper_StoreThatRefusesIsWrittenToLater(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	to := &toldCursors{Store: st, written: make(chan int64, 100), refuse: errors.New("disk is full")}
	blocks := newShownBlocks(t)
	keeper, err := keepHeight(to, blocks, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	blocks.show(t, 50)
	to.mu.Lock()
	to.refuse = nil
	to.mu.Unlock()
	blocks.show(t, 51)
	if height := <-to.written; height != 50 && height != 51 {
		t.Errorf("wrote %d", height)
	}
	if err := errors.Join(keeper.Stop(context.Background()), st.Close(context.Background())); err != nil {
		t.Error(err)
	}
}
