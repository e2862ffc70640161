package meter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// openTime bounds the lookups for an account. Those of the chain have bounds of
// their own; reading a large session from the store takes seconds.
const openTime = time.Minute

// purseAttempts is how often an application is asked for while blocks are worked on in
// the meantime. Each takes as long as a block to come, the question far less.
const purseAttempts = 3

// flights are the accounts that are being opened.
type flights struct {
	mu     sync.Mutex
	flying map[accountKey]*flight
	// resuming holds a channel for each application whose sessions an earlier
	// process left. It is closed when their accounts have been opened.
	resuming map[string]chan struct{}
	// postponed are those of them that could not be opened.
	postponed []Unsettled
}

// flight is the opening of one account, for all who wait for it.
type flight struct {
	landed  chan struct{} // closed when account and err are set
	account *account
	err     error
}

// open returns the account of the session and supplier, opening it if needed. It
// waits as long as ctx allows; the opening goes on for those who come later.
func (m *Meter) open(ctx context.Context, session *sessiontypes.SessionHeader, supplier string) (*account, error) {
	f, err := m.depart(session, supplier)
	if err != nil {
		return nil, relayer.ErrInternal.Wrapf("relay meter: %w", err)
	}
	select {
	case <-f.landed:
	case <-ctx.Done():
		return nil, relayer.ErrInternal.Wrapf("relay meter: %w", context.Cause(ctx))
	}
	if f.err != nil && !errors.Is(f.err, relayer.ErrRequestLimit) {
		return nil, relayer.ErrInternal.Wrapf("relay meter: %w", f.err)
	}
	return f.account, f.err
}

// Prepare opens the accounts of a session of the chain for the suppliers named by
// WithSuppliers. The error wraps relayer.ErrInternal if the chain or the store could not
// be asked, or relayer.ErrRequestLimit.
func (m *Meter) Prepare(ctx context.Context, session *sessiontypes.Session) error {
	var errs []error
	for _, supplier := range session.Suppliers {
		if m.suppliers[supplier.OperatorAddress] {
			_, err := m.open(ctx, session.Header, supplier.OperatorAddress)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// depart returns the flight for the account, and begins it if there is none.
func (m *Meter) depart(session *sessiontypes.SessionHeader, supplier string) (*flight, error) {
	key := accountKey{session.SessionId, supplier}
	m.flights.mu.Lock()
	defer m.flights.mu.Unlock()
	if f := m.flights.flying[key]; f != nil {
		return f, nil
	}
	f := &flight{landed: make(chan struct{}), err: errUnknown}
	header := *session // the request's own may change when its relay has ended
	err := m.group.Go("open account", func(ctx context.Context) error {
		defer m.land(key, f)
		ctx, cancel := context.WithTimeout(ctx, openTime)
		defer cancel()
		f.account, f.err = m.learn(ctx, &header, supplier)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m.flights.flying == nil {
		m.flights.flying = make(map[accountKey]*flight)
	}
	m.flights.flying[key] = f
	return f, nil
}

func (m *Meter) land(key accountKey, f *flight) {
	m.flights.mu.Lock()
	defer m.flights.mu.Unlock()
	delete(m.flights.flying, key)
	close(f.landed)
}

// learn asks for what an account follows from and opens it, after those of the
// application that an earlier process left.
func (m *Meter) learn(ctx context.Context, session *sessiontypes.SessionHeader, supplier string) (*account, error) {
	m.flights.mu.Lock()
	resumed := m.flights.resuming[session.ApplicationAddress]
	m.flights.mu.Unlock()
	if resumed != nil {
		select {
		case <-resumed:
		case <-ctx.Done():
			return nil, fmt.Errorf("earlier sessions of application %q: %w", session.ApplicationAddress, context.Cause(ctx))
		}
	}
	return m.openNow(ctx, session, supplier)
}

// openNow asks for what an account follows from and opens it.
func (m *Meter) openNow(ctx context.Context, session *sessiontypes.SessionHeader, supplier string) (*account, error) {
	key := accountKey{session.SessionId, supplier}
	if a := m.ledger.account(key); a != nil { // opened meanwhile
		return a, nil
	}
	a := &account{
		key: key, application: session.ApplicationAddress, service: session.ServiceId,
		end: session.SessionEndBlockHeight,
	}
	var err error
	if a.terms, a.settles, err = m.termsOf(ctx, session); err != nil {
		return nil, err
	}
	if a.used, err = m.usedBefore(ctx, session, supplier); err != nil {
		return nil, err
	}
	if !m.ledger.priced() {
		if err := m.refreshInflation(ctx); err != nil {
			return nil, err
		}
	}
	for range purseAttempts - 1 {
		if opened, err := m.openWithPurse(ctx, a); !errors.Is(err, errOutdated) {
			return opened, err
		}
	}
	return m.openWithPurse(ctx, a)
}

// openWithPurse opens the account with what its application has to pay from, or what
// is known of that if the chain cannot be asked.
func (m *Meter) openWithPurse(ctx context.Context, a *account) (*account, error) {
	p, asOf, err := m.purseOf(ctx, a.application)
	if err == nil {
		return m.ledger.open(a, &p, asOf)
	}
	opened, openErr := m.ledger.open(a, nil, 0)
	if errors.Is(openErr, errUnknown) {
		openErr = fmt.Errorf("%w: %w", openErr, err)
	}
	return opened, openErr
}

// termsOf returns the terms of the session, and the height at which its claims
// are settled.
func (m *Meter) termsOf(ctx context.Context, header *sessiontypes.SessionHeader) (terms, int64, error) {
	start, end := header.SessionStartBlockHeight, header.SessionEndBlockHeight
	session, err := m.chain.sessions.Session(ctx, header.ApplicationAddress, header.ServiceId, start)
	if err != nil {
		return terms{}, 0, fmt.Errorf("session %s: %w", header.SessionId, err)
	}
	priced, err := m.chain.shared.SharedParamsAt(ctx, start)
	if err != nil {
		return terms{}, 0, fmt.Errorf("shared params at %d: %w", start, err)
	}
	windows, err := m.chain.shared.SharedParamsAt(ctx, end)
	if err != nil {
		return terms{}, 0, fmt.Errorf("shared params at %d: %w", end, err)
	}
	t, err := newTerms(priced, windows, len(session.Suppliers))
	return t, sharedtypes.GetSettlementSessionEndHeight(windows, end), err
}

// usedBefore returns the compute units that were probably served in the session
// before this process began.
func (m *Meter) usedBefore(ctx context.Context, header *sessiontypes.SessionHeader, supplier string) (uint64, error) {
	stored, err := m.usage.StoredComputeUnits(ctx, header, supplier)
	if err != nil {
		return 0, fmt.Errorf("relays stored of session %s: %w", header.SessionId, err)
	}
	if stored == 0 {
		return 0, nil
	}
	target, err := m.chain.services.DifficultyTargetAt(ctx, header.ServiceId, header.SessionStartBlockHeight)
	if err != nil {
		return 0, fmt.Errorf("relay mining difficulty: %w", err)
	}
	return estimate(stored, target)
}

// purseOf asks for what the application has to pay from. It shows the settlements
// up to the height that is returned, and when a block arrives at that moment perhaps
// those of that block, which are then charged twice until it is worked on.
func (m *Meter) purseOf(ctx context.Context, address string) (purse, int64, error) {
	var asOf int64
	if block := m.chain.blocks.Latest(); block != nil {
		asOf = block.Height
	}
	app, err := m.chain.applications.Application(ctx, address)
	if errors.Is(err, relayer.ErrNotFound) {
		return emptyPurse(), asOf, nil
	}
	if err != nil {
		return purse{}, 0, fmt.Errorf("application %q: %w", address, err)
	}
	p, err := newPurse(app)
	return p, asOf, err
}
