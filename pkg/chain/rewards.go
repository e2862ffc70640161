package chain

import (
	"fmt"

	"cosmossdk.io/math"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// reward is one entry of the distribution that EventClaimSettled carries.
type reward struct {
	OpReason string `json:"op_reason"` // name of a SettlementOpReason
	Amount   string `json:"amount"`    // with denomination
}

// goesToSupplier reports whether a reward is one of the supplier's owner and
// shareholders: those of x/tokenomics for burnt application stake and for
// inflation.
func (r reward) goesToSupplier() bool {
	switch tokenomicstypes.SettlementOpReason(tokenomicstypes.SettlementOpReason_value[r.OpReason]) {
	case tokenomicstypes.SettlementOpReason_TLM_RELAY_BURN_EQUALS_MINT_SUPPLIER_SHAREHOLDER_REWARD_DISTRIBUTION,
		tokenomicstypes.SettlementOpReason_TLM_GLOBAL_MINT_SUPPLIER_SHAREHOLDER_REWARD_DISTRIBUTION:
		return true
	}
	return false
}

// supplierReward sums up what the supplier's owner and shareholders have got,
// with denomination. It is empty if the event carries no distribution.
func (r *reader) supplierReward() string {
	const field = "reward_distribution_detailed"
	var rewards []reward
	r.decode(field, &rewards)
	if len(rewards) == 0 {
		return ""
	}
	paid := cosmostypes.NewCoin(Denom, math.ZeroInt())
	for _, each := range rewards {
		if !each.goesToSupplier() {
			continue
		}
		amount, err := cosmostypes.ParseCoinNormalized(each.Amount)
		if err == nil && amount.Denom != Denom {
			err = fmt.Errorf("denomination of %s", amount)
		}
		if err != nil {
			r.err = fmt.Errorf("%w: %s: %w", ErrMalformed, field, err)
			return ""
		}
		paid = paid.Add(amount)
	}
	return paid.String()
}
