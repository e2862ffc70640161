package chaintest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// record subscribes to the driver's blocks and hands them over one by one.
func record(t *testing.T, driver *chain.BlockDriver) <-chan *relayer.Block {
	t.Helper()
	blocks := make(chan *relayer.Block) // closed when the stream completes
	stream, unsubscribe := driver.Blocks().Subscribe(observable.WithBuffer(1024))
	ctx, cancel := context.WithCancel(context.Background())
	done := observable.ForEach(stream, func(_ context.Context, b *relayer.Block) error {
		select {
		case blocks <- b:
		case <-ctx.Done():
		}
		return nil
	})
	go func() {
		<-done
		close(blocks)
	}()
	t.Cleanup(func() {
		cancel()
		unsubscribe()
		<-done
	})
	return blocks
}

func next(t *testing.T, ctx context.Context, blocks <-chan *relayer.Block) *relayer.Block {
	t.Helper()
	select {
	case b, ok := <-blocks:
		if !ok {
			t.Fatal("stream of blocks is complete")
		}
		return b
	case <-ctx.Done():
		t.Fatal("no block came")
	}
	return nil
}

// continues takes n blocks and checks that they follow each other.
func continues(t *testing.T, ctx context.Context, blocks <-chan *relayer.Block, last *relayer.Block, n int) *relayer.Block {
	t.Helper()
	for range n {
		b := next(t, ctx, blocks)
		if last != nil && (b.Height != last.Height+1 || !b.Time.After(last.Time)) {
			t.Fatalf("block %d at %v came after block %d at %v", b.Height, b.Time, last.Height, last.Time)
		}
		last = b
	}
	return last
}

func TestBlockDriver_EmitsEveryHeightOnceInOrderAcrossANodeRestart(t *testing.T) {
	ctx := deadline(t)
	network := start(t, localnet.Config{})
	driver := follow(t, dial(t, network), chain.WithMinSilence(300*time.Millisecond), chain.WithPollInterval(100*time.Millisecond))
	if driver.Latest() == nil {
		t.Fatal("no block after Start")
	}
	blocks := record(t, driver)
	last := continues(t, ctx, blocks, nil, 20)
	if source := driver.Source(); source != "subscription" {
		t.Errorf("blocks come from %s while the node is well", source)
	}
	if err := network.StopNode(); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "trouble is shown", func() bool { return driver.Err() != nil })
	if err := network.StartNode(); err != nil {
		t.Fatal(err)
	}
	last = continues(t, ctx, blocks, last, 40)
	await(t, ctx, "the subscription speaks again", func() bool { return driver.Source() == "subscription" })
	last = continues(t, ctx, blocks, last, 10)
	if err := driver.Err(); err != nil {
		t.Errorf("trouble remains: %v", err)
	}
	commit, err := network.RPC().Commit(ctx, &last.Height)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(commit.Commit.BlockID.Hash, last.Hash) {
		t.Errorf("hash of block %d is %X, validators have signed %X", last.Height, last.Hash, commit.Commit.BlockID.Hash)
	}
}

func TestBlockDriver_RestartBeginsWithTheNewestBlockAndWaitsForANodeThatIsBehind(t *testing.T) {
	ctx := deadline(t)
	network := start(t, localnet.Config{BlockTime: 20 * time.Millisecond})
	if err := network.WaitForHeight(ctx, 20); err != nil {
		t.Fatal(err)
	}
	node := dial(t, network)
	if first := follow(t, node, chain.WithLastProcessed(3)).Latest(); first.Height < 20 {
		t.Errorf("begins with block %d", first.Height)
	}
	const ahead = 60
	if first := follow(t, node, chain.WithLastProcessed(ahead)).Latest(); first.Height < ahead {
		t.Errorf("begins with block %d, block %d was processed", first.Height, ahead)
	}
}

func TestBlockDriver_StopCompletesTheStream(t *testing.T) {
	network := start(t, localnet.Config{})
	driver := follow(t, dial(t, network))
	blocks := record(t, driver)
	if err := driver.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for range blocks { // ends when the stream is complete
	}
}

// await polls for something that no channel announces.
func await(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
