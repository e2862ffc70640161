package session

import (
	"errors"
	"fmt"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

// adopt writes records for sessions whose leaves are in the store without one.
// That does not come about by itself, since records are written first. Their
// headers are in their relays, and what becomes of them the chain decides, as for
// every other session.
func (m *sessionsManager) adopt() error {
	orphans, err := orphans(m.store)
	if err != nil {
		return err
	}
	for _, key := range orphans {
		record, err := m.recordFromLeaves(key)
		if err != nil {
			// Not ours to judge: the leaves stay where they are.
			m.log.Error("session without a record is left alone", "session", key.String(), "error", err)
			continue
		}
		bz, err := encodeRecord(record)
		if err != nil {
			return err
		}
		if err := m.store.PutRecord(key, bz); err != nil {
			return fmt.Errorf("record of session %s: %w", key, err)
		}
		m.log.Warn("session without a record is taken up", "session", key.String())
	}
	return nil
}

// orphans returns the sessions that have leaves and no record.
func orphans(st *store.Store) ([]store.SessionKey, error) {
	var keys, without []store.SessionKey
	for key, err := range st.Sessions() {
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		_, err := st.Record(key)
		if errors.Is(err, store.ErrNotFound) {
			without = append(without, key)
		} else if err != nil {
			return nil, err
		}
	}
	return without, nil
}

// recordFromLeaves returns the record that the session would have had when its
// first relay arrived.
func (m *sessionsManager) recordFromLeaves(key store.SessionKey) (*Record, error) {
	for leaf, err := range m.store.Leaves(key) {
		if err != nil {
			return nil, err
		}
		var relay servicetypes.Relay
		if err := relay.Unmarshal(leaf.Relay); err != nil {
			return nil, fmt.Errorf("leaf %x is not a relay: %w", leaf.Path, err)
		}
		header := relay.GetReq().GetMeta().SessionHeader
		if header == nil {
			return nil, fmt.Errorf("leaf %x has no session header", leaf.Path)
		}
		height, now := m.clock()
		record := newRecord(header, relay.Req.Meta.SupplierOperatorAddress, height, now)
		if record.Key() != key {
			return nil, fmt.Errorf("leaf %x belongs to session %s", leaf.Path, record.Key())
		}
		return record, nil
	}
	return nil, store.ErrNotFound
}
