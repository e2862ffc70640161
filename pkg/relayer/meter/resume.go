package meter

import (
	"context"
	"errors"
	"fmt"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

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
		failures := &failures{}
		each(ctx, payers, failures, func(ctx context.Context, address string) error {
			defer close(resuming[address])
			return m.openLeft(ctx, of[address], failures)
		})
		if failures.number > 0 {
			m.ledger.count(func(s *Stats) { s.RefreshFailures += failures.number })
			return fmt.Errorf("%d of %d failed: %w", failures.number, len(left), failures.first)
		}
		return nil
	})
	if err != nil {
		m.log.Error("accounts of earlier sessions are not opened", "error", err)
	}
}

// openLeft opens the accounts one by one. Those that cannot be opened now are opened
// with the next block, unless their session does not exist any more.
func (m *Meter) openLeft(ctx context.Context, left []Unsettled, failures *failures) error {
	for _, u := range left {
		_, err := m.openNow(ctx, u.Session, u.Supplier)
		failures.note(err)
		if err != nil && !errors.Is(err, relayer.ErrNotFound) {
			m.flights.mu.Lock()
			m.flights.postponed = append(m.flights.postponed, u)
			m.flights.mu.Unlock()
		}
	}
	return ctx.Err()
}

// openPostponed opens the accounts that could not be opened before.
func (m *Meter) openPostponed(ctx context.Context, failures *failures) {
	m.flights.mu.Lock()
	left := m.flights.postponed
	m.flights.postponed = nil
	m.flights.mu.Unlock()
	_ = m.openLeft(ctx, left, failures) // which is that of ctx, or noted
}
