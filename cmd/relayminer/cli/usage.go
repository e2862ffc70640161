package cli

import (
	"context"
	"errors"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/meter"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// storedUsage implements relayer.SessionUsage by what is in the store.
type storedUsage struct{ store *store.Store }

var _ relayer.SessionUsage = storedUsage{}

// StoredComputeUnits implements relayer.SessionUsage. The record of a sealed
// session has the sum. The relays of an open one are read, which is needed after
// a restart only: a new session has none.
func (u storedUsage) StoredComputeUnits(
	_ context.Context,
	header *sessiontypes.SessionHeader,
	supplierOperatorAddr string,
) (uint64, error) {
	key := store.SessionKey{
		Supplier:   supplierOperatorAddr,
		SessionEnd: header.SessionEndBlockHeight,
		SessionID:  header.SessionId,
	}
	encoded, err := u.store.Record(key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	if err == nil {
		record, err := session.DecodeRecord(encoded)
		if err != nil {
			return 0, err
		}
		if record.Root != "" {
			return record.ComputeUnits, nil
		}
	}
	stats, err := u.store.Stats(key)
	return stats.Weight, err
}

// unsettled returns the sessions in the store that have no outcome yet.
func unsettled(records []*session.Record) []meter.Unsettled {
	var left []meter.Unsettled
	for _, record := range records {
		if !record.State.Final() {
			left = append(left, meter.Unsettled{Session: record.Header(), Supplier: record.Supplier})
		}
	}
	return left
}
