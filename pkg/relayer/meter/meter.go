package meter

import (
	"context"
	"fmt"
	"log/slog"

	"cosmossdk.io/depinject"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// Meter is the relay miner's RelayMeter. It may be used concurrently.
type Meter struct {
	chain       chain
	usage       relayer.SessionUsage
	suppliers   map[string]bool // for whom accounts are opened ahead
	overService bool
	log         *slog.Logger

	ledger  *ledger
	flights flights
	group   *async.Group
}

// chain is what the meter asks of the chain.
type chain struct {
	blocks       relayer.BlockSource
	sessions     relayer.SessionQuerier
	shared       relayer.SharedQuerier
	services     relayer.ServiceQuerier
	applications relayer.ApplicationQuerier
	tokenomics   relayer.TokenomicsQuerier
}

var _ relayer.RelayMeter = (*Meter)(nil)

// Option changes a Meter while it is constructed.
type Option func(*Meter)

// WithSuppliers names the operator addresses of the suppliers for which Prepare
// opens accounts. The default is none: the first relay of each session opens it.
func WithSuppliers(operatorAddresses ...string) Option {
	return func(m *Meter) {
		for _, address := range operatorAddresses {
			m.suppliers[address] = true
		}
	}
}

// withMaxAccounts changes the bound of accounts.
func withMaxAccounts(n int) Option { return func(m *Meter) { m.ledger.max = n } }

// NewRelayMeter returns a meter. It follows the chain between Start and Stop;
// relays can be metered before too.
//
// Required dependencies:
//   - *config.Config
//   - relayer.BlockSource
//   - relayer.SessionQuerier, relayer.SharedQuerier, relayer.ServiceQuerier
//   - relayer.ApplicationQuerier, relayer.TokenomicsQuerier
//   - relayer.SessionUsage
//   - *slog.Logger
func NewRelayMeter(deps depinject.Config, opts ...Option) (*Meter, error) {
	m := &Meter{suppliers: make(map[string]bool), ledger: newLedger(maxAccounts)}
	var cfg *config.Config
	c := &m.chain
	if err := depinject.Inject(deps, &cfg, &c.blocks, &c.sessions, &c.shared, &c.services,
		&c.applications, &c.tokenomics, &m.usage, &m.log); err != nil {
		return nil, fmt.Errorf("relay meter: %w", err)
	}
	m.overService = cfg.EnableOverServicing
	m.log = m.log.With("component", "meter")
	for _, opt := range opts {
		opt(m)
	}
	m.group = async.NewGroup(context.Background(), async.OnFailure(func(name string, err error) {
		m.log.Error("metering failed", "work", name, "error", err)
	}))
	return m, nil
}

// Reserve implements relayer.RelayMeter.
func (m *Meter) Reserve(
	ctx context.Context,
	session *sessiontypes.SessionHeader,
	supplierOperatorAddr string,
	computeUnits uint64,
) (relayer.RelayReservation, error) {
	a := m.ledger.account(accountKey{session.SessionId, supplierOperatorAddr})
	if a == nil {
		var err error
		if a, err = m.open(ctx, session, supplierOperatorAddr); err != nil {
			return nil, err
		}
	}
	verdict := m.ledger.reserve(a, computeUnits)
	if verdict.first {
		m.log.Info("application can not pay for more relays of the session",
			"application", a.application, "service", a.service, "session_id", a.key.session,
			"supplier", a.key.supplier, "over_servicing", m.overService)
	}
	switch {
	case verdict.payable:
		return &reservation{ledger: m.ledger, account: a, units: computeUnits}, nil
	case m.overService:
		return &reservation{ledger: m.ledger, account: a, over: true}, nil
	}
	m.ledger.count(func(s *Stats) { s.Refused++ })
	return nil, relayer.ErrRateLimited.Wrapf(
		"application %s has %d compute units left for supplier %s in session %s, the relay needs %d",
		a.application, verdict.left, a.key.supplier, a.key.session, computeUnits)
}

// Stats returns what was metered so far.
func (m *Meter) Stats() Stats { return m.ledger.snapshot() }

// Stats are counts of relays since the start, and of what is kept now.
type Stats struct {
	Served          uint64 // relays that are paid for
	OverServiced    uint64 // relays that were served for nothing
	Refused         uint64 // relays that the application could not pay
	Refunded        uint64 // relays that had been reserved and were not served
	RefreshFailures uint64 // lookups at a block that failed
	Accounts        int    // sessions and suppliers that are metered
	Applications    int    // applications that they are of
}
