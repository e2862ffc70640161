package meter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"cosmossdk.io/math"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"pgregory.net/rapid"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// claimOf returns a claim of that many compute units and the difficulty that it
// is valued with. The chain's own type values it.
func claimOf(units uint64, target []byte) (*prooftypes.Claim, servicetypes.RelayMiningDifficulty) {
	root := make([]byte, 32, 48)
	root = binary.BigEndian.AppendUint64(root, units)
	root = binary.BigEndian.AppendUint64(root, 1)
	claim := &prooftypes.Claim{SessionHeader: &sessiontypes.SessionHeader{ServiceId: "svc"}, RootHash: root}
	return claim, servicetypes.RelayMiningDifficulty{ServiceId: "svc", TargetHash: target}
}

// model is what settlement does with an application that one relay miner serves:
// a stake, from which claims are paid up to a limit. Amounts are in upokt.
type model struct {
	params    sharedtypes.Params
	inflation *big.Rat
	stake     int64
	limit     int64 // 0 if there is none
}

// most returns the most that a supplier is paid for a session, of n suppliers.
func (m *model) most(suppliers int64) int64 {
	perSession := m.stake / sharedtypes.GetNumPendingSessions(&m.params)
	if m.limit > 0 {
		perSession = min(perSession, m.limit)
	}
	budget := new(big.Rat).SetInt64(perSession / suppliers)
	// The budget has to cover the payment and the inflation that it causes.
	budget.Mul(budget, new(big.Rat).Inv(new(big.Rat).Add(big.NewRat(1, 1), m.inflation)))
	return new(big.Int).Div(budget.Num(), budget.Denom()).Int64()
}

// pay takes a payment and the inflation that it causes, rounded up, off the stake.
func (m *model) pay(upokt int64) {
	inflation := new(big.Rat).Mul(new(big.Rat).SetInt64(upokt), m.inflation)
	whole, rest := new(big.Int).DivMod(inflation.Num(), inflation.Denom(), new(big.Int))
	m.stake -= upokt + whole.Int64() + int64(rest.Sign())
}

// worth returns what the chain values that many compute units at.
func (m *model) worth(t interface{ Fatal(...any) }, units uint64) int64 {
	claim, difficulty := claimOf(units, bytes.Repeat([]byte{0xff}, 32))
	coin, err := claim.GetClaimeduPOKT(m.params, difficulty)
	if err != nil {
		t.Fatal(err)
	}
	return coin.Amount.Int64()
}

// drawModel draws an economy in which relays cost from nothing to a lot.
func drawModel(t *rapid.T) *model {
	m := &model{params: sharedtypes.DefaultParams()}
	p := &m.params
	p.NumBlocksPerSession = 10
	p.GracePeriodEndOffsetBlocks = 1
	p.ClaimWindowOpenOffsetBlocks = rapid.Uint64Range(1, 9).Draw(t, "claim open offset")
	p.ClaimWindowCloseOffsetBlocks = rapid.Uint64Range(1, 9).Draw(t, "claim close offset")
	p.ProofWindowOpenOffsetBlocks = rapid.Uint64Range(0, 5).Draw(t, "proof open offset")
	p.ProofWindowCloseOffsetBlocks = rapid.Uint64Range(1, 9).Draw(t, "proof close offset")
	p.ComputeUnitsToTokensMultiplier = rapid.Uint64Range(1, 50_000).Draw(t, "multiplier")
	p.ComputeUnitCostGranularity = rapid.SampledFrom([]uint64{1, 10, 1000, 1_000_000}).Draw(t, "granularity")
	m.inflation = rapid.SampledFrom([]*big.Rat{
		new(big.Rat), big.NewRat(1, 10), big.NewRat(7, 100), big.NewRat(33, 100), big.NewRat(1, 1),
	}).Draw(t, "inflation")
	m.stake = rapid.Int64Range(0, 1_000_000).Draw(t, "stake")
	m.limit = rapid.SampledFrom([]int64{0, 0, 1, 777, 40_000}).Draw(t, "limit")
	return m
}

func TestCapacity_IsTheLargestClaimThatIsPaidInFull(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		suppliers := rapid.IntRange(1, 50).Draw(t, "suppliers")
		fixed, err := newTerms(&m.params, &m.params, suppliers)
		if err != nil {
			t.Fatal(err)
		}
		p := purse{stake: big.NewInt(m.stake)}
		if m.limit > 0 {
			p.limit = big.NewInt(m.limit)
		}
		most := m.most(int64(suppliers))
		if got := fixed.settlement(p, m.inflation); got.Int64() != most {
			t.Fatalf("settlement pays %s, the model %d", got, most)
		}
		units := fixed.capacity(big.NewInt(most))
		if worth := m.worth(t, units); worth > most || worth != fixed.worth(units).Int64() {
			t.Errorf("%d compute units are worth %d (here %s), settlement pays %d", units, worth, fixed.worth(units), most)
		}
		if worth := m.worth(t, units+1); worth <= most {
			t.Errorf("%d compute units would be paid in full too: %d of %d", units+1, worth, most)
		}
	})
}

func TestEstimate_MultipliesAsSettlementDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "target")
		target[0] |= 1 // no more than 256 times
		mined := rapid.Uint64Range(0, 1e12).Draw(t, "mined")
		claim, difficulty := claimOf(mined, target)
		want, err := claim.GetNumEstimatedComputeUnits(difficulty)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := estimate(mined, target); err != nil || got != want {
			t.Errorf("estimated %d, %v, the chain %d", got, err, want)
		}
	})
}

func TestInflation_IsTheDecimalThatIsWritten(t *testing.T) {
	for parameter, want := range map[float64]string{0: "0/1", 0.1: "1/10", 0.0975: "39/400", 1e-7: "1/10000000"} {
		if got, err := inflationOf(parameter); err != nil || got.String() != want {
			t.Errorf("%g is %s, %v, want %s", parameter, got, err, want)
		}
	}
	if _, err := inflationOf(-0.1); !errors.Is(err, errMalformed) {
		t.Errorf("negative: %v", err)
	}
}

// TestMeter_GrantsWhatSettlementPaysSessionAfterSession plays sessions whose
// claims are paid by the model when they are due. The relay miner is the only
// supplier, so that it can know all.
func TestMeter_GrantsWhatSettlementPaysSessionAfterSession(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		chain := drawModel(rt)
		cost := rapid.Uint64Range(1, 5000).Draw(rt, "compute units per relay")
		w := newWorld(t)
		w.params, w.stake = chain.params, chain.stake
		w.inflation, _ = chain.inflation.Float64()
		if chain.limit > 0 {
			limit := cosmostypes.NewCoin(denom, math.NewInt(chain.limit))
			w.limit = &limit
		}
		g := &game{rt, w, w.meter(config.Config{}), chain, cost, make(map[int64]session)}
		for height := int64(1); height <= 60; height++ {
			g.block(height)
		}
	})
}

// session is what was served in a session.
type session struct {
	served  uint64
	refused bool
}

type game struct {
	*rapid.T
	world *world
	meter *Meter
	chain *model
	cost  uint64 // compute units of a relay
	plays map[int64]session
}

// block settles what is due at the height, and serves relays in its session.
func (g *game) block(height int64) {
	for due := range g.plays {
		if sharedtypes.GetSettlementSessionEndHeight(&g.chain.params, due) == height {
			g.settle(due)
		}
	}
	g.world.set(func() { g.world.stake = g.chain.stake })
	g.world.at(g.meter, height)

	header := headerAt(height)
	play := g.plays[header.SessionEndBlockHeight]
	for range rapid.IntRange(0, 30).Draw(g.T, fmt.Sprintf("relays at %d", height)) {
		r, err := g.meter.Reserve(g.Context(), header, supplier, g.cost)
		switch {
		case err == nil && rapid.IntRange(0, 9).Draw(g.T, "fate") == 0:
			r.Refund()
		case err == nil:
			r.Commit()
			play.served++
		case errors.Is(err, relayer.ErrRateLimited):
			play.refused = true
		default:
			g.Fatal(err)
		}
	}
	g.plays[header.SessionEndBlockHeight] = play
}

// settle pays the claim of the session that ends at the height.
func (g *game) settle(end int64) {
	play := g.plays[end]
	delete(g.plays, end)
	most := g.chain.most(1)
	worth := g.chain.worth(g, play.served*g.cost)
	if worth > most {
		g.Errorf("session %d: %d relays are worth %d, settlement pays %d", end, play.served, worth, most)
	}
	if next := g.chain.worth(g, (play.served+1)*g.cost); play.refused && next <= most {
		g.Errorf("session %d: refused a relay after %d, settlement pays %d and they were worth %d with it",
			end, play.served, most, next)
	}
	g.chain.pay(min(worth, most))
}
