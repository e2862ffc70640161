package session

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// sluggish is a chain each of whose answers takes its time. Those that the real
// queries remember are waited for once.
type sluggish struct {
	*fakeChain
	takes time.Duration

	mu    sync.Mutex
	known map[string]time.Time // when what was asked for first is answered
}

func (c *sluggish) wait(what string) {
	c.mu.Lock()
	at, asked := c.known[what]
	if !asked {
		at = time.Now().Add(c.takes)
		c.known[what] = at
	}
	c.mu.Unlock()
	time.Sleep(time.Until(at))
}

func (c *sluggish) Claim(ctx context.Context, sessionID, supplier string) (*prooftypes.Claim, error) {
	time.Sleep(c.takes)
	return c.fakeChain.Claim(ctx, sessionID, supplier)
}

func (c *sluggish) SharedParamsAt(ctx context.Context, height int64) (*sharedtypes.Params, error) {
	c.wait(fmt.Sprintf("shared params at %d", height))
	return c.fakeChain.SharedParamsAt(ctx, height)
}

func (c *sluggish) DifficultyTargetAt(ctx context.Context, service string, height int64) ([]byte, error) {
	c.wait("difficulty")
	return c.fakeChain.DifficultyTargetAt(ctx, service, height)
}

func (c *sluggish) ProofParams(ctx context.Context) (*prooftypes.Params, error) {
	c.wait("proof params")
	return c.fakeChain.ProofParams(ctx)
}

// addSessions puts open sessions with one relay each into the store of a manager that
// is stopped.
func (b *bench) addSessions(n int) {
	b.t.Helper()
	b.reopen()
	defer b.shut()
	for i := range n {
		h := &sessiontypes.SessionHeader{
			ApplicationAddress: "pokt1app", ServiceId: "anvil", SessionId: fmt.Sprintf("session-%d", i),
			SessionStartBlockHeight: 1, SessionEndBlockHeight: 4,
		}
		tree, err := createTree(b.store, func() (int64, time.Time) { return 1, now() }, h, testSupplier)
		if err != nil {
			b.t.Fatal(err)
		}
		path := trie.PathOf([]byte(h.SessionId))
		if err := tree.Update(path[:], []byte(h.SessionId), 100); err != nil {
			b.t.Fatal(err)
		}
	}
}

// The windows are four blocks of half a minute, and every answer of the node takes
// nine seconds: the claims of 500 sessions that end at once are with the submitter
// within the first half of their window, and so are their proofs.
func TestPace_500SessionsAreClaimedAndProvenInTimeByASlowNode(t *testing.T) {
	const sessions, blockTime = 500, 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		chain := newFakeChain(t)
		chain.params.ClaimWindowCloseOffsetBlocks, chain.params.ProofWindowCloseOffsetBlocks = 4, 4
		b := newBenchOn(t, chain, store.Options{FS: vfs.NewMem(), MinFreeBytes: -1})
		b.stop()
		b.addSessions(sessions)
		b.start()
		b.watching.Go(func() { // nobody looks at them
			for range b.records {
			}
		})
		late := &sluggish{fakeChain: chain, takes: 9 * time.Second, known: make(map[string]time.Time)}
		b.manager.deps.proofs, b.manager.deps.shared, b.manager.deps.services = late, late, late
		w := chain.windows(4)
		pass := func(to int64) {
			for chain.Latest().Height < to {
				chain.advance(chain.Latest().Height + 1)
				time.Sleep(blockTime)
			}
		}
		pass(w.ClaimOpen + 1)
		if n := chain.count("claim/"); n != sessions {
			t.Errorf("%d claims are with the submitter after half of the window", n)
		}
		pass(w.ProofOpen + 1)
		if n := chain.count("proof/"); n != sessions {
			t.Errorf("%d proofs are with the submitter after half of the window", n)
		}
		pass(w.ProofClose + 1)
		b.stop()
	})
}
