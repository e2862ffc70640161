package session

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

var _ live = (*sessionsManager)(nil)

// estimate implements live. The session need not be sealed: the value of a claim
// follows from the sums in its root.
func (m *sessionsManager) estimate(ctx context.Context, record *Record, relays, computeUnits uint64) (int64, error) {
	var root trie.Root
	sums := binary.BigEndian.AppendUint64(nil, computeUnits)
	sums = binary.BigEndian.AppendUint64(sums, relays)
	copy(root[trie.RootSize-len(sums):], sums)

	unsealed := *record
	unsealed.Root = hex.EncodeToString(root[:])
	facts, err := m.factsOf(ctx, &unsealed)
	if err != nil {
		return 0, err
	}
	return facts.upokt()
}

// height implements live.
func (m *sessionsManager) height() int64 {
	height, _ := m.clock()
	return height
}

// windowsAt implements live.
func (m *sessionsManager) windowsAt(ctx context.Context, sessionEnd int64) (windows, error) {
	params, err := m.shared.SharedParamsAt(ctx, sessionEnd)
	if err != nil {
		return windows{}, fmt.Errorf("shared params at %d: %w", sessionEnd, err)
	}
	return windowsOf(params, sessionEnd), nil
}

// drop implements live. Work that is under way for the session ends with an
// error at its next record, and none is begun.
func (m *sessionsManager) drop(key store.SessionKey, allowed func(*Record) error) error {
	tree := m.tree(key)
	if tree == nil {
		return m.dropFinal(key, allowed)
	}
	if err := tree.deleteIf(allowed); err != nil {
		return err
	}
	m.forget(tree)
	m.log.Warn("session dropped", "session", key.String(), "state", tree.snapshot().State)
	return nil
}

// dropFinal deletes a session that the manager does not work on any more. It
// cannot come back meanwhile: its claim window is open or over.
func (m *sessionsManager) dropFinal(key store.SessionKey, allowed func(*Record) error) error {
	m.deleting.Lock()
	defer m.deleting.Unlock()
	raw, err := m.store.Record(key)
	if errors.Is(err, store.ErrNotFound) {
		return m.store.DeleteSession(key) // leaves that nobody works on
	}
	if err != nil {
		return err
	}
	s := decodeStored(key, raw)
	if s.record != nil && !s.record.State.Final() {
		// It has been there for a moment only, or was imported while this ran.
		return fmt.Errorf("%w: the relay miner is about to take session %s up, try again", ErrRefused, title(key))
	}
	if err := allowed(s.record); err != nil {
		return err
	}
	if err := m.store.DeleteSession(key); err != nil {
		return err
	}
	m.log.Warn("session dropped", "session", key.String())
	return nil
}
