package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// genesis is the time of height 0 in tests; blocks are a second apart.
var genesis = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// testHead returns the block at height of a chain that is named.
func testHead(chain string, height int64) head {
	hash := func(height int64) []byte { return fmt.Appendf(nil, "%s-%d", chain, height) }
	return head{
		block:  &relayer.Block{Height: height, Hash: hash(height), Time: genesis.Add(time.Duration(height) * time.Second)},
		parent: hash(height - 1),
	}
}

// testFeed is a node whose misbehaviour the test decides.
type testFeed struct {
	mu     sync.Mutex
	chain  string
	height int64
	base   int64 // oldest block kept
	down   error
	most   int // headers per call
	asked  int // calls of latest

	disowned []head
	behind   int64 // tolerance

	events chan head  // what the subscription says
	broken chan error // ends the subscription
}

func newTestFeed(height int64) *testFeed {
	return &testFeed{chain: "a", height: height, base: 1, most: 3, events: make(chan head), broken: make(chan error)}
}

func (f *testFeed) set(change func(*testFeed)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *testFeed) latest(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.height, f.down
}

func (f *testFeed) oldest(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.base, f.down
}

func (f *testFeed) headers(_ context.Context, from, to int64) ([]head, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.down != nil:
		return nil, f.down
	case from < f.base:
		return nil, ErrHeightPruned
	case from > f.height:
		return nil, ErrHeightAhead
	}
	var heads []head
	for h := from; h <= min(to, f.height) && len(heads) < f.most; h++ {
		heads = append(heads, testHead(f.chain, h))
	}
	return heads, nil
}

func (f *testFeed) subscribe(ctx context.Context, deliver func(head)) error {
	for {
		select {
		case h := <-f.events:
			deliver(h)
		case err := <-f.broken:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *testFeed) disown(h head, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disowned = append(f.disowned, h)
}

func (f *testFeed) tolerance() int64 { return f.behind }

// testFollower returns a follower and the heights that it has emitted.
func testFollower(f feed, processed int64) (*follower, *[]int64) {
	var heights []int64
	follower := &follower{feed: f, log: slog.New(slog.DiscardHandler), processed: processed}
	follower.emit = func(_ context.Context, b *relayer.Block) error {
		heights = append(heights, b.Height)
		return nil
	}
	return follower, &heights
}

func span(from, to int64) []int64 {
	var heights []int64
	for h := from; h <= to; h++ {
		heights = append(heights, h)
	}
	return heights
}

func TestFollower_FirstBlock(t *testing.T) {
	for _, test := range []struct {
		name      string
		newest    int64
		processed int64
		tolerance int64
		want      []int64
		wantErr   error
	}{
		{name: "newest where nothing was processed", newest: 50, want: span(50, 50)},
		{name: "newest, whatever was processed", newest: 50, processed: 39, want: span(50, 50)},
		{name: "newest where it was processed", newest: 50, processed: 50, want: span(50, 50)},
		{name: "none from a chain that is behind", newest: 50, processed: 51, wantErr: ErrChainRegressed},
		{name: "one of several nodes that is a little behind", newest: 50, processed: 52, tolerance: 2, want: span(50, 50)},
		{name: "none of several nodes that are behind", newest: 50, processed: 53, tolerance: 2, wantErr: ErrChainRegressed},
		{name: "none from a chain without blocks", newest: 0, wantErr: ErrHeightAhead},
	} {
		t.Run(test.name, func(t *testing.T) {
			feed := newTestFeed(test.newest)
			f, heights := testFollower(feed, test.processed)
			f.tolerance = test.tolerance
			if err := f.catchUp(t.Context()); !errors.Is(err, test.wantErr) {
				t.Errorf("got %v, want %v", err, test.wantErr)
			}
			if !slices.Equal(*heights, test.want) {
				t.Errorf("emitted %v, want %v", *heights, test.want)
			}
		})
	}
}

func TestFollower_ChainThatWasBehindIsFollowedFromWhereItHasCaughtUp(t *testing.T) {
	feed := newTestFeed(50)
	f, heights := testFollower(feed, 60)
	if err := f.catchUp(t.Context()); !errors.Is(err, ErrChainRegressed) {
		t.Errorf("at 50: %v", err)
	}
	feed.height = 63
	if err := f.catchUp(t.Context()); err != nil {
		t.Errorf("at 63: %v", err)
	}
	if want := span(63, 63); !slices.Equal(*heights, want) {
		t.Errorf("emitted %v, want %v", *heights, want)
	}
}

func TestFollower_GapsAreFilledAndRepetitionsIgnored(t *testing.T) {
	feed := newTestFeed(10)
	f, heights := testFollower(feed, 0)
	if err := f.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	feed.height = 40
	for _, h := range []int64{11, 12, 12, 15, 11, 14, 16, 30, 30, 9} {
		if err := f.hear(t.Context(), testHead("a", h)); err != nil {
			t.Errorf("height %d: %v", h, err)
		}
	}
	if want := span(10, 30); !slices.Equal(*heights, want) {
		t.Errorf("emitted %v, want %v", *heights, want)
	}
	if f.blockTime != time.Second {
		t.Errorf("block time is %v", f.blockTime)
	}
}

func TestFollower_FailureWithinAGapLosesAndRepeatsNothing(t *testing.T) {
	feed := newTestFeed(10)
	f, heights := testFollower(feed, 0)
	down := errors.New("down")
	refuse := true
	f.emit = func(_ context.Context, b *relayer.Block) error {
		if b.Height == 15 && refuse {
			refuse = false
			return down
		}
		*heights = append(*heights, b.Height)
		return nil
	}
	if err := f.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	feed.height = 20
	if err := f.catchUp(t.Context()); !errors.Is(err, down) {
		t.Fatal(err)
	}
	if err := f.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := span(10, 20); !slices.Equal(*heights, want) {
		t.Errorf("emitted %v, want %v", *heights, want)
	}
}

func TestFollower_RegressIsAnErrorAndNeverEmitted(t *testing.T) {
	for _, test := range []struct {
		name string
		turn func(*testFeed)
		ask  func(*follower) error
	}{
		{"height goes back", func(f *testFeed) { f.height = 5 }, func(f *follower) error { return f.catchUp(context.Background()) }},
		{"next block has another parent", func(f *testFeed) { f.chain, f.height = "b", 12 }, func(f *follower) error { return f.catchUp(context.Background()) }},
		{"announced block has another parent", func(*testFeed) {}, func(f *follower) error { return f.hear(context.Background(), testHead("b", 11)) }},
		{"block at the same height is another", func(*testFeed) {}, func(f *follower) error { return f.hear(context.Background(), testHead("b", 10)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			feed := newTestFeed(10)
			f, heights := testFollower(feed, 0)
			if err := f.catchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			test.turn(feed)
			if err := test.ask(f); !errors.Is(err, ErrChainRegressed) {
				t.Errorf("got %v", err)
			}
			if len(*heights) != 1 {
				t.Errorf("emitted %v", *heights)
			}
			feed.chain, feed.height = "a", 13
			if err := f.catchUp(t.Context()); err != nil {
				t.Errorf("the first chain goes on: %v", err)
			}
			if want := span(10, 13); !slices.Equal(*heights, want) {
				t.Errorf("emitted %v, want %v", *heights, want)
			}
		})
	}
}

func TestFollower_PrunedGapIsSkippedOnce(t *testing.T) {
	feed := newTestFeed(10)
	f, heights := testFollower(feed, 0)
	var log bytes.Buffer
	f.log = slog.New(slog.NewTextHandler(&log, nil))
	if err := f.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	feed.height, feed.base = 60, 50
	if err := f.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := append(span(10, 10), span(50, 60)...); !slices.Equal(*heights, want) {
		t.Errorf("emitted %v, want %v", *heights, want)
	}
	if !bytes.Contains(log.Bytes(), []byte("from=11 to=49")) {
		t.Errorf("the gap is not in the log: %s", &log)
	}
}
