package cli

import (
	"context"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// storedUsage implements relayer.SessionUsage by the leaves in the store.
type storedUsage struct{ store *store.Store }

var _ relayer.SessionUsage = storedUsage{}

// StoredComputeUnits implements relayer.SessionUsage. It reads all relays of the
// session, which is needed after a restart only: a new session has none.
func (u storedUsage) StoredComputeUnits(
	_ context.Context,
	session *sessiontypes.SessionHeader,
	supplierOperatorAddr string,
) (uint64, error) {
	stats, err := u.store.Stats(store.SessionKey{
		Supplier:   supplierOperatorAddr,
		SessionEnd: session.SessionEndBlockHeight,
		SessionID:  session.SessionId,
	})
	return stats.Weight, err
}
