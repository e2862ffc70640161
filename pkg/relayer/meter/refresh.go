package meter

import (
	"context"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// refreshWorkers is the number of applications that are looked up at once.
const refreshWorkers = 8

// Start begins to follow the chain, and to open the accounts of the sessions that
// an earlier process left: what they are owed is not there for later ones. It does
// not block; relays of their applications wait for it. A meter is started once.
func (m *Meter) Start(left ...Unsettled) {
	err := m.group.Supervise("refresh", async.Restart{}, func(ctx context.Context) error {
		return relayer.FollowBlocks(ctx, m.chain.blocks, "refresh_meter", m.refresh)
	})
	if err != nil {
		m.log.Error("budgets are not followed", "error", err)
	}
	m.resume(left)
}

// Stop ends all lookups and waits for them as long as ctx allows. Relays of
// accounts that are not open are refused afterwards.
func (m *Meter) Stop(ctx context.Context) error { return m.group.Stop(ctx) }

// refresh brings the ledger up to the block: settled accounts are closed, those that
// could not be opened are, and what applications have to pay from is asked for.
func (m *Meter) refresh(ctx context.Context, block *relayer.Block) {
	m.ledger.close(block.Height)
	var failed []error
	if err := m.openPostponed(ctx); err != nil {
		failed = append(failed, err)
	}
	if m.ledger.metering() {
		failed = append(failed, m.renew(ctx)...)
	}
	if len(failed) > 0 && ctx.Err() == nil {
		m.ledger.count(func(s *Stats) { s.RefreshFailures += uint64(len(failed)) })
		m.log.Warn("budgets could not be looked up, the last ones hold",
			"height", block.Height, "failures", len(failed), "error", failed[0])
	}
}

// renew asks for what all applications have to pay from, and returns what failed.
func (m *Meter) renew(ctx context.Context) []error {
	var failed []error
	if err := m.refreshInflation(ctx); err != nil {
		failed = append(failed, err)
	}
	payers := m.ledger.payers()
	return append(failed, async.Each(ctx, refreshWorkers, len(payers), func(ctx context.Context, i int) error {
		p, asOf, err := m.purseOf(ctx, payers[i])
		if err == nil {
			m.ledger.setPurse(payers[i], p, asOf)
		}
		return err
	})...)
}

// refreshInflation asks for the global inflation per claim.
func (m *Meter) refreshInflation(ctx context.Context) error {
	params, err := m.chain.tokenomics.TokenomicsParams(ctx)
	if err != nil {
		return fmt.Errorf("tokenomics params: %w", err)
	}
	inflation, err := inflationOf(params.GlobalInflationPerClaim)
	if err != nil {
		return err
	}
	m.ledger.setInflation(inflation)
	return nil
}
