package e2e

import (
	"errors"
	"os"
	"testing"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// Two sessions can be pending, so that half of the application's stake pays for a
// session: 43 relays of the first, and then 21 of the next, which is over before the
// first is settled. Settlement takes a tenth of inflation on top.
const (
	meteredStake = 40_000_000
	relayPrice   = 420_000
	relayCharge  = relayPrice * 11 / 10
	firstPayable = 43
	nextPayable  = 21
)

func TestMeter_ServesWhatSettlementPaysAndNoRelayMore(t *testing.T) {
	w := newWorld(t, localnet.Config{
		BlocksPerSession: 20,
		Genesis: localnet.GenesisHooks{
			Applications: func(all []apptypes.Application) {
				stake := cosmostypes.NewInt64Coin("upokt", meteredStake)
				all[0].Stake = &stake
			},
			Shared: func(params *sharedtypes.Params) {
				params.ClaimWindowCloseOffsetBlocks, params.ProofWindowCloseOffsetBlocks = 10, 9
				params.ComputeUnitsToTokensMultiplier = relayPrice / localnet.DefaultComputeUnitsPerRelay *
					params.ComputeUnitCostGranularity
			},
		},
	})
	w.startMiner()
	first := w.freshSession()
	w.sendUntilRefused(first, 20)
	w.stopMiner()
	w.startMiner()
	if served := 20 + w.sendUntilRefused(first, 100); served != firstPayable {
		t.Errorf("served %d relays of the first session, want %d", served, firstPayable)
	}
	if served := w.sendUntilRefused(first, 5); served != 0 {
		t.Errorf("served %d relays of the first session beyond", served)
	}

	if err := w.net.WaitForHeight(w.ctx, first.Header.SessionEndBlockHeight+1); err != nil {
		t.Fatal(err)
	}
	next := w.freshSession()
	if served := w.sendUntilRefused(next, 100); served != nextPayable {
		t.Errorf("served %d relays of the next session, want %d", served, nextPayable)
	}
	w.stopMiner()
	w.enableOverServicing()
	w.startMiner()
	if served := w.sendUntilRefused(next, 3); served != 3 {
		t.Errorf("over-serviced %d relays, want 3", served)
	}

	stake := int64(meteredStake) // when a session is settled
	for _, c := range []struct {
		session *sessiontypes.Session
		relays  int64
	}{{first, firstPayable}, {next, nextPayable}} {
		w.checkPaidInFull(c.session, c.relays)
		if (c.relays+1)*relayCharge <= stake/2 {
			t.Errorf("a stake of %d upokt pays %d relays too", stake, c.relays+1)
		}
		stake -= c.relays * relayCharge
	}
	app, err := w.queries.Application(w.ctx, first.Header.ApplicationAddress)
	if err != nil || app.Stake.Amount.Int64() != stake {
		t.Errorf("the stake is %v, %v, want %d upokt", app.GetStake(), err, stake)
	}
}

// sendUntilRefused sends relays of the session until the application can not pay,
// or as many as limit, and returns how many were served.
func (w *world) sendUntilRefused(session *sessiontypes.Session, limit int) int {
	w.t.Helper()
	sender, relay := w.client(), w.relay(session)
	for n := range limit {
		_, err := sender.Send(w.ctx, relay)
		var refused *client.RefusedError
		if errors.As(err, &refused) && refused.Reason.Codespace == "relayer_proxy" && refused.Reason.Code == 7 {
			return n
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return limit
}

// enableOverServicing changes the configuration of the relay miner.
func (w *world) enableOverServicing() {
	w.t.Helper()
	config, err := os.ReadFile(w.net.ConfigPath)
	if err != nil {
		w.t.Fatal(err)
	}
	config = append(config, "\nenable_over_servicing: true\n"...)
	if err := os.WriteFile(w.net.ConfigPath, config, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// checkPaidInFull waits until the session is settled, for that many relays, and
// checks that the chain did not hold the application over-serviced.
func (w *world) checkPaidInFull(session *sessiontypes.Session, relays int64) {
	w.t.Helper()
	end := session.Header.SessionEndBlockHeight
	settled, err := localnet.AwaitEvent(w.ctx, w.net, end, func(e *tokenomicstypes.EventClaimSettled) bool {
		return e.SessionEndBlockHeight == end
	})
	if err != nil {
		w.t.Fatal(err)
	}
	paid := cosmostypes.NewInt64Coin("upokt", relays*relayPrice).String()
	if e := settled.Msg; e.NumRelays != uint64(relays) || e.ClaimedUpokt != paid || e.SettledUpokt != paid {
		w.t.Errorf("session to %d: %d relays claimed for %s settled for %s, want %d for %s",
			end, e.NumRelays, e.ClaimedUpokt, e.SettledUpokt, relays, paid)
	}
	events, err := w.net.Events(w.ctx, end, settled.Height)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, over := range localnet.Select[*tokenomicstypes.EventApplicationOverserviced](events) {
		w.t.Errorf("over-serviced: %v", over.Msg)
	}
}
