package chain

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// testPatience bounds what a test waits for.
const testPatience = 20 * time.Second

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	t.Cleanup(cancel)
	return ctx
}

// until polls for what no channel announces.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	ctx := testContext(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("waited in vain")
		}
	}
}

func startDriver(t *testing.T, f feed, opts ...BlockDriverOption) *BlockDriver {
	t.Helper()
	d, err := newBlockDriver(f, slog.New(slog.DiscardHandler), opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(testContext(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestBlockDriver_SilentSubscriptionIsReplacedByPollingUntilItSpeaks(t *testing.T) {
	feed := newTestFeed(5)
	d := startDriver(t, feed, WithMinSilence(20*time.Millisecond), WithPollInterval(5*time.Millisecond))
	if d.Source() != "subscription" || d.Latest().Height != 5 {
		t.Fatalf("source %s, block %d", d.Source(), d.Latest().Height)
	}
	feed.set(func(f *testFeed) { f.height = 6 })
	until(t, func() bool { return d.Latest().Height == 6 && d.Source() == "polling" })
	feed.set(func(f *testFeed) { f.height = 8 })
	feed.events <- testHead("a", 8)
	until(t, func() bool { return d.Latest().Height == 8 && d.Source() == "subscription" })
}

func TestBlockDriver_BrokenSubscriptionIsOpenedAgain(t *testing.T) {
	feed := newTestFeed(5)
	d := startDriver(t, feed, WithMinSilence(time.Hour))
	feed.broken <- errors.New("connection reset")
	feed.set(func(f *testFeed) { f.height = 7 })
	select {
	case feed.events <- testHead("a", 7): // read only by a second subscription
	case <-testContext(t).Done():
		t.Fatal("not subscribed again")
	}
	until(t, func() bool { return d.Latest().Height == 7 })
}

func TestBlockDriver_ErrShowsTroubleUntilTheNextBlock(t *testing.T) {
	feed := newTestFeed(5)
	d := startDriver(t, feed, WithMinSilence(5*time.Millisecond), WithPollInterval(5*time.Millisecond))
	if err := d.Err(); err != nil {
		t.Fatalf("trouble at the start: %v", err)
	}
	feed.set(func(f *testFeed) { f.height = 3 })
	until(t, func() bool { return errors.Is(d.Err(), ErrChainRegressed) })
	asked := 0
	feed.set(func(f *testFeed) { f.height, asked = 5, f.asked })
	until(t, func() bool {
		more := 0
		feed.set(func(f *testFeed) { more = f.asked })
		return more > asked+2
	})
	if !errors.Is(d.Err(), ErrChainRegressed) {
		t.Error("regress is forgotten before the chain has gone on")
	}
	feed.set(func(f *testFeed) { f.height = 6 })
	until(t, func() bool { return d.Err() == nil })
	if d.Latest().Height != 6 {
		t.Errorf("newest block is %d", d.Latest().Height)
	}
}

func TestBlockDriver_StartThatGetsNoBlockSaysWhyAndLeavesNothingBehind(t *testing.T) {
	feed := newTestFeed(0)
	down := errors.New("down")
	feed.down = down
	d, err := newBlockDriver(feed, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = d.Start(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	if err := d.Start(t.Context()); !errors.Is(err, ErrConfig) {
		t.Errorf("second start: %v", err)
	}
}

func TestBlockDriver_SlowSubscriberHoldsBlocksBackButLosesNone(t *testing.T) {
	feed := newTestFeed(1)
	d := startDriver(t, feed, WithMinSilence(time.Millisecond), WithPollInterval(time.Millisecond), WithReplay(1))
	stream, unsubscribe := d.Blocks().Subscribe(observable.WithBuffer(1))
	defer unsubscribe()
	release := make(chan struct{})
	heights := make(chan int64)
	ctx := testContext(t)
	done := observable.ForEach(stream, func(_ context.Context, b *relayer.Block) error {
		<-release
		select {
		case heights <- b.Height:
		case <-ctx.Done():
		}
		return nil
	}, observable.WithBuffer(0))
	feed.set(func(f *testFeed) { f.height = 100 })
	close(release)
	for want := int64(1); want <= 100; want++ {
		select {
		case got := <-heights:
			if got != want {
				t.Fatalf("block %d came, want %d", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("block %d did not come", want)
		}
	}
	unsubscribe()
	<-done
}

func TestNewBlockDriver_RefusesWhatCannotWork(t *testing.T) {
	if _, err := NewBlockDriver(nil); !errors.Is(err, ErrConfig) {
		t.Errorf("without node: %v", err)
	}
	for _, opt := range []BlockDriverOption{WithMinSilence(0), WithPollInterval(-1), WithReplay(0)} {
		if _, err := newBlockDriver(newTestFeed(1), slog.New(slog.DiscardHandler), opt); !errors.Is(err, ErrConfig) {
			t.Errorf("got %v", err)
		}
	}
}

func TestBlockDriver_EventsOfANodeThatLagsAreNoReasonNotToPoll(t *testing.T) {
	feed := newTestFeed(5)
	d := startDriver(t, feed, WithMinSilence(20*time.Millisecond), WithPollInterval(5*time.Millisecond))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case feed.events <- testHead("a", 3):
			case <-stop:
				return
			}
		}
	}()
	feed.set(func(f *testFeed) { f.height = 6 })
	until(t, func() bool { return d.Latest().Height == 6 && d.Source() == "polling" })
	close(stop)
	<-stopped
}
