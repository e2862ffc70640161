package meter

import (
	"context"
	"errors"
	"fmt"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Unsettled is a session of a supplier whose claim is not settled yet.
type Unsettled struct {
	Session  *sessiontypes.SessionHeader
	Supplier string // operator address
}

// resume begins to open the accounts of the sessions that an earlier process left.
func (m *Meter) resume(left []Unsettled) {
	of := make(map[string][]Unsettled)
	for _, u := range left {
		of[u.Session.ApplicationAddress] = append(of[u.Session.ApplicationAddress], u)
	}
	resuming := make(map[string]chan struct{}, len(of))
	payers := make([]string, 0, len(of))
	for address := range of {
		resuming[address] = make(chan struct{})
		payers = append(payers, address)
	}
	m.flights.mu.Lock()
	m.flights.resuming = resuming
	m.flights.mu.Unlock()

	err := m.group.Go("resume accounts", func(ctx context.Context) error {
		failed := async.Each(ctx, refreshWorkers, len(payers), func(ctx context.Context, i int) error {
			defer close(resuming[payers[i]])
			return m.openLeft(ctx, of[payers[i]])
		})
		if len(failed) > 0 {
			m.ledger.count(func(s *Stats) { s.RefreshFailures += uint64(len(failed)) })
			return fmt.Errorf("those of %d of %d applications failed: %w", len(failed), len(payers), failed[0])
		}
		return nil
	})
	if err != nil {
		m.log.Error("accounts of earlier sessions are not opened", "error", err)
	}
}

// openLeft opens the accounts one by one. Those that cannot be opened now are opened
// with the next block, unless their session does not exist any more. The error joins
// those of all that failed.
func (m *Meter) openLeft(ctx context.Context, left []Unsettled) error {
	var errs []error
	for _, u := range left {
		_, err := m.openNow(ctx, u.Session, u.Supplier)
		errs = append(errs, err)
		if err != nil && !errors.Is(err, relayer.ErrNotFound) {
			m.flights.mu.Lock()
			m.flights.postponed = append(m.flights.postponed, u)
			m.flights.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

// openPostponed opens the accounts that could not be opened before.
func (m *Meter) openPostponed(ctx context.Context) error {
	m.flights.mu.Lock()
	left := m.flights.postponed
	m.flights.postponed = nil
	m.flights.mu.Unlock()
	return m.openLeft(ctx, left)
}
