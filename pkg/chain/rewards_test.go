package chain

import (
	"errors"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// settledEvent returns the event of a settlement with a distribution.
func settledEvent(t *testing.T, details ...tokenomicstypes.RewardDistributionDetail) *ctypes.ResultBlockResults {
	t.Helper()
	return &ctypes.ResultBlockResults{FinalizeBlockEvents: []abci.Event{emitted(t,
		&tokenomicstypes.EventClaimSettled{SettledUpokt: "1000upokt", RewardDistributionDetailed: details}, "EndBlock")}}
}

func TestClaimEvents_PaidIsWhatTheSuppliersShareholdersGot(t *testing.T) {
	detail := func(reason tokenomicstypes.SettlementOpReason, amount string) tokenomicstypes.RewardDistributionDetail {
		return tokenomicstypes.RewardDistributionDetail{RecipientAddress: "someone", OpReason: reason, Amount: amount}
	}
	results := settledEvent(t,
		detail(tokenomicstypes.SettlementOpReason_TLM_RELAY_BURN_EQUALS_MINT_SUPPLIER_SHAREHOLDER_REWARD_DISTRIBUTION, "650upokt"),
		detail(tokenomicstypes.SettlementOpReason_TLM_RELAY_BURN_EQUALS_MINT_SUPPLIER_SHAREHOLDER_REWARD_DISTRIBUTION, "50upokt"),
		detail(tokenomicstypes.SettlementOpReason_TLM_GLOBAL_MINT_SUPPLIER_SHAREHOLDER_REWARD_DISTRIBUTION, "70upokt"),
		detail(tokenomicstypes.SettlementOpReason_TLM_RELAY_BURN_EQUALS_MINT_DAO_REWARD_DISTRIBUTION, "100upokt"),
		detail(tokenomicstypes.SettlementOpReason_TLM_RELAY_BURN_EQUALS_MINT_APPLICATION_STAKE_BURN, "1000upokt"),
	)
	events, err := claimEvents(results)
	if err != nil || len(events) != 1 || events[0].PaidUpokt != "770upokt" || events[0].SettledUpokt != "1000upokt" {
		t.Errorf("got %+v, %v", events, err)
	}
}

func TestClaimEvents_WithoutADistributionItIsNotKnownWhatWasPaid(t *testing.T) {
	events, err := claimEvents(settledEvent(t))
	if err != nil || len(events) != 1 || events[0].PaidUpokt != "" {
		t.Errorf("got %+v, %v", events, err)
	}
}

func TestClaimEvents_MalformedRewardIsAnError(t *testing.T) {
	for _, amount := range []string{"", "many", "5other", "-1upokt"} {
		_, err := claimEvents(settledEvent(t, tokenomicstypes.RewardDistributionDetail{
			OpReason: tokenomicstypes.SettlementOpReason_TLM_RELAY_BURN_EQUALS_MINT_SUPPLIER_SHAREHOLDER_REWARD_DISTRIBUTION,
			Amount:   amount,
		}))
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", amount, err)
		}
	}
}
