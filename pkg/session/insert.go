package session

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// startInserting moves mined relays into the store. Every relay's receipt is
// resolved, whatever happens to it.
func (m *sessionsManager) startInserting() {
	shards := observable.Shard(m.mined, insertShards, m.shardOf, observable.WithName("insert_relays"))
	for _, shard := range shards {
		m.inserted = append(m.inserted, observable.ForEach(shard, m.insert,
			observable.WithName("insert_relay"),
			observable.WithStats(&m.insertStats),
			observable.WithErrorHandler(m.notInserted),
		))
	}
}

func (m *sessionsManager) shardOf(mined *relayer.MinedRelay) uint64 {
	return maphash.Comparable(m.seed, keyOf(mined))
}

// keyOf returns the key of the session that the relay belongs to.
func keyOf(mined *relayer.MinedRelay) store.SessionKey {
	meta := &mined.Served.Req.Meta
	return store.SessionKey{
		Supplier:   meta.SupplierOperatorAddress,
		SessionEnd: meta.SessionHeader.SessionEndBlockHeight,
		SessionID:  meta.SessionHeader.SessionId,
	}
}

// insert hands the relay to its session's tree. It does not wait for the disk.
func (m *sessionsManager) insert(ctx context.Context, mined *relayer.MinedRelay) error {
	tree, err := m.treeFor(ctx, mined)
	if err != nil {
		return err
	}
	tree.insert(trie.PathOf(mined.Hash), mined.Bytes, mined.ComputeUnits, func(err error) {
		m.receipts.Resolve(mined.Served, err)
	})
	return nil
}

// notInserted refuses a relay that did not get as far as its tree.
func (m *sessionsManager) notInserted(_ string, item any, err error) {
	m.log.Error("relay not stored", "error", err)
	if mined, ok := item.(*relayer.MinedRelay); ok {
		m.receipts.Resolve(mined.Served, err)
	}
}

// treeFor returns the tree of the relay's session, which begins with it if need be.
// Relays of one session come here one at a time, through their shard.
func (m *sessionsManager) treeFor(ctx context.Context, mined *relayer.MinedRelay) (*liveTree, error) {
	key := keyOf(mined)
	if tree := m.tree(key); tree != nil {
		return tree, nil
	}
	if err := m.checkNew(ctx, key); err != nil {
		return nil, err
	}
	created, err := createTree(m.store, m.clock, mined.Served.Req.Meta.SessionHeader, key.Supplier)
	if err != nil {
		return nil, relayer.ErrStoreRelay.Wrapf("%w", err)
	}
	tree := &liveTree{sessionTree: created}
	m.mu.Lock()
	m.trees[key] = tree
	m.mu.Unlock()
	m.publish(&Moved{Record: created.snapshot()})
	return tree, nil
}

func (m *sessionsManager) tree(key store.SessionKey) *liveTree {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trees[key]
}

// checkNew makes sure that a session may begin: that it has not been one before,
// and that its claim window, which it would be sealed for at once, is not open.
// A late relay must never start a second, smaller claim.
func (m *sessionsManager) checkNew(ctx context.Context, key store.SessionKey) error {
	_, err := m.store.Record(key)
	switch {
	case err == nil:
		return relayer.ErrSessionSealed.Wrapf("session %s is over", key.SessionID)
	case !errors.Is(err, store.ErrNotFound):
		return relayer.ErrStoreRelay.Wrapf("%w", err)
	}
	height, _ := m.clock()
	if height <= key.SessionEnd {
		return nil
	}
	params, err := m.shared.SharedParamsAt(ctx, key.SessionEnd)
	if err != nil {
		return fmt.Errorf("shared params at %d: %w", key.SessionEnd, err)
	}
	if w := windowsOf(params, key.SessionEnd); height >= w.ClaimOpen {
		return relayer.ErrSessionSealed.Wrapf("the claim window of session %s is open", key.SessionID)
	}
	return nil
}
