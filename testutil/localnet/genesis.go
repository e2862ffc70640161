package localnet

import (
	"encoding/json"
	"fmt"
	"time"

	"cosmossdk.io/math"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	crisistypes "github.com/cosmos/cosmos-sdk/x/crisis/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	"github.com/cosmos/gogoproto/proto"
	"github.com/pokt-network/poktroll/app/pocket"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	gatewaytypes "github.com/pokt-network/poktroll/x/gateway/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// Amounts in upokt.
const (
	// accountBalance pays fees for years.
	accountBalance = int64(1e12)
	// applicationStake is what an application can spend. The share of one
	// supplier in one session must stay above what the longest demonstration
	// can serve: with 100 suppliers it is some 10^9 relays.
	applicationStake = int64(1e15)
	// supplierStake survives some three thousand penalties for missing proofs.
	supplierStake  = int64(1e12)
	gatewayStake   = int64(1e9)
	validatorStake = int64(1e12)
)

// genesis builds the application state of the first block.
type genesis struct {
	cdc      codec.Codec
	config   Config
	ids      identities
	services []Service
	state    map[string]json.RawMessage
	err      error // the first; later steps do nothing
}

// newGenesis returns the network's genesis document. defaults holds the state
// of modules that the network has no opinion about.
func newGenesis(
	cdc codec.Codec,
	defaults map[string]json.RawMessage,
	config Config,
	ids identities,
	services []Service,
) (*genutiltypes.AppGenesis, error) {
	g := &genesis{cdc: cdc, config: config, ids: ids, services: services, state: defaults}
	g.setAccounts()
	g.setDenominations()
	g.setValidator()
	g.setServices()
	g.setGateways()
	g.setApplications()
	g.setSuppliers()
	g.setParams()
	if g.err != nil {
		return nil, g.err
	}
	if hook := config.Genesis.State; hook != nil {
		if err := hook(cdc, g.state); err != nil {
			return nil, configErrorf("Genesis.State", "%w", err)
		}
	}
	return g.document()
}

func (g *genesis) document() (*genutiltypes.AppGenesis, error) {
	state, err := json.MarshalIndent(g.state, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode genesis state: %w", err)
	}
	params := cmttypes.DefaultConsensusParams()
	params.Block.MaxGas = g.config.MaxBlockGas
	// A transaction that the mempool takes must fit into a block.
	params.Block.MaxBytes = max(params.Block.MaxBytes, 2*int64(g.config.MaxTxBytes))
	doc := genutiltypes.NewAppGenesisWithVersion(g.config.ChainID, state)
	doc.GenesisTime = time.Now().UTC()
	doc.Consensus.Params = params
	if err := doc.ValidateAndComplete(); err != nil {
		return nil, configErrorf("ChainID", "%w", err)
	}
	return doc, nil
}

// set stores the genesis of a module.
func (g *genesis) set(module string, state proto.Message) {
	if g.err != nil {
		return
	}
	encoded, err := g.cdc.MarshalJSON(state)
	if err != nil {
		g.err = fmt.Errorf("encode genesis of module %s: %w", module, err)
		return
	}
	g.state[module] = encoded
}

// change lets edit alter the genesis that the module has so far.
func change[T any, P interface {
	*T
	proto.Message
}](g *genesis, module string, edit func(P)) {
	if g.err != nil {
		return
	}
	state := P(new(T))
	if err := g.cdc.UnmarshalJSON(g.state[module], state); err != nil {
		g.err = fmt.Errorf("decode genesis of module %s: %w", module, err)
		return
	}
	edit(state)
	g.set(module, state)
}

// setAccounts gives every account its public key, which the chain otherwise
// learns only from an account's first transaction, and its balance. Modules
// hold what is staked with them: burning from an empty module halts the chain.
func (g *genesis) setAccounts() {
	change(g, authtypes.ModuleName, func(state *authtypes.GenesisState) {
		var accounts authtypes.GenesisAccounts
		for i, id := range g.ids.all() {
			account := authtypes.NewBaseAccount(id.address, id.key.PubKey(), uint64(i), 0)
			accounts = append(accounts, account)
		}
		packed, err := authtypes.PackAccounts(accounts)
		if err != nil {
			g.err = fmt.Errorf("encode genesis accounts: %w", err)
			return
		}
		state.Accounts = packed
	})
	change(g, banktypes.ModuleName, func(state *banktypes.GenesisState) {
		for _, id := range g.ids.all() {
			state.Balances = append(state.Balances, banktypes.Balance{
				Address: id.bech32(), Coins: cosmostypes.NewCoins(upokt(accountBalance)),
			})
		}
		for module, amount := range map[string]int64{
			apptypes.ModuleName:            applicationStake * int64(len(g.ids.applications)),
			suppliertypes.ModuleName:       supplierStake * int64(len(g.ids.suppliers)),
			gatewaytypes.ModuleName:        gatewayStake * int64(len(g.ids.gateways)),
			stakingtypes.NotBondedPoolName: validatorStake,
		} {
			state.Balances = append(state.Balances, banktypes.Balance{
				Address: authtypes.NewModuleAddress(module).String(),
				Coins:   cosmostypes.NewCoins(upokt(amount)),
			})
		}
		state.Supply = nil // the chain sums the balances up
	})
}

func (g *genesis) setDenominations() {
	change(g, minttypes.ModuleName, func(state *minttypes.GenesisState) {
		zero := math.LegacyZeroDec()
		state.Params.MintDenom = pocket.DenomuPOKT
		state.Params.InflationMin, state.Params.InflationMax, state.Params.InflationRateChange = zero, zero, zero
		state.Minter.Inflation = zero
	})
	change(g, crisistypes.ModuleName, func(state *crisistypes.GenesisState) {
		state.ConstantFee.Denom = pocket.DenomuPOKT
	})
	change(g, govtypes.ModuleName, func(state *govv1.GenesisState) {
		for i := range state.Params.MinDeposit {
			state.Params.MinDeposit[i].Denom = pocket.DenomuPOKT
		}
		for i := range state.Params.ExpeditedMinDeposit {
			state.Params.ExpeditedMinDeposit[i].Denom = pocket.DenomuPOKT
		}
	})
}

// setValidator stakes the one validator. It starts unbonded: the chain bonds it
// while it processes the genesis, which is what makes x/slashing know it.
func (g *genesis) setValidator() {
	pubKey, err := cryptocodec.FromCmtPubKeyInterface(g.ids.consensus.PubKey())
	if err != nil {
		g.err = fmt.Errorf("consensus key: %w", err)
		return
	}
	packed, err := codectypes.NewAnyWithValue(pubKey)
	if err != nil {
		g.err = fmt.Errorf("consensus key: %w", err)
		return
	}
	change(g, stakingtypes.ModuleName, func(state *stakingtypes.GenesisState) {
		operator := cosmostypes.ValAddress(g.ids.validator.address).String()
		tokens := math.NewInt(validatorStake)
		state.Params.BondDenom = pocket.DenomuPOKT
		state.Validators = []stakingtypes.Validator{{
			OperatorAddress:   operator,
			ConsensusPubkey:   packed,
			Status:            stakingtypes.Unbonded,
			Tokens:            tokens,
			DelegatorShares:   math.LegacyNewDecFromInt(tokens),
			Description:       stakingtypes.Description{Moniker: "localnet"},
			Commission:        stakingtypes.NewCommission(math.LegacyZeroDec(), math.LegacyZeroDec(), math.LegacyZeroDec()),
			MinSelfDelegation: math.OneInt(),
		}}
		state.Delegations = []stakingtypes.Delegation{
			stakingtypes.NewDelegation(g.ids.validator.bech32(), operator, math.LegacyNewDecFromInt(tokens)),
		}
	})
}

func (g *genesis) setServices() {
	change(g, servicetypes.ModuleName, func(state *servicetypes.GenesisState) {
		for _, service := range g.config.Services {
			state.ServiceList = append(state.ServiceList, sharedtypes.Service{
				Id:                   service.ID,
				Name:                 service.ID,
				ComputeUnitsPerRelay: service.ComputeUnitsPerRelay,
				OwnerAddress:         g.ids.serviceOwner.bech32(),
			})
		}
		if g.config.TargetNumRelays != 0 {
			state.Params.TargetNumRelays = g.config.TargetNumRelays
		}
	})
}

func (g *genesis) setGateways() {
	change(g, gatewaytypes.ModuleName, func(state *gatewaytypes.GenesisState) {
		for _, id := range g.ids.gateways {
			stake := upokt(gatewayStake)
			state.GatewayList = append(state.GatewayList, gatewaytypes.Gateway{Address: id.bech32(), Stake: &stake})
		}
	})
}

func (g *genesis) setApplications() {
	gateways := make([]string, len(g.ids.gateways))
	for i, id := range g.ids.gateways {
		gateways[i] = id.bech32()
	}
	change(g, apptypes.ModuleName, func(state *apptypes.GenesisState) {
		state.Params.MaxDelegatedGateways = max(state.Params.MaxDelegatedGateways, uint64(len(gateways)))
		for i, id := range g.ids.applications {
			stake := upokt(applicationStake)
			state.ApplicationList = append(state.ApplicationList, apptypes.Application{
				Address:                   id.bech32(),
				Stake:                     &stake,
				ServiceConfigs:            []*sharedtypes.ApplicationServiceConfig{{ServiceId: serviceOf(g.services, i)}},
				DelegateeGatewayAddresses: append([]string(nil), gateways...),
				PendingUndelegations:      map[uint64]apptypes.UndelegatingGatewayList{},
			})
		}
		if hook := g.config.Genesis.Applications; hook != nil {
			hook(state.ApplicationList)
		}
	})
}

// serviceOf returns the one service for which application i is staked.
func serviceOf(services []Service, i int) string { return services[i%len(services)].ID }

func (g *genesis) setSuppliers() {
	change(g, suppliertypes.ModuleName, func(state *suppliertypes.GenesisState) {
		for _, id := range g.ids.suppliers {
			stake := upokt(supplierStake)
			supplier := sharedtypes.Supplier{OwnerAddress: id.bech32(), OperatorAddress: id.bech32(), Stake: &stake}
			for _, service := range g.services {
				supplier.Services = append(supplier.Services, &sharedtypes.SupplierServiceConfig{
					ServiceId: service.ID,
					Endpoints: []*sharedtypes.SupplierEndpoint{{Url: service.ListenURL, RpcType: sharedtypes.RPCType_JSON_RPC}},
					RevShare:  []*sharedtypes.ServiceRevenueShare{{Address: id.bech32(), RevSharePercentage: 100}},
				})
			}
			state.SupplierList = append(state.SupplierList, supplier)
		}
		if hook := g.config.Genesis.Suppliers; hook != nil {
			hook(state.SupplierList)
		}
	})
}

func (g *genesis) setParams() {
	change(g, sharedtypes.ModuleName, func(state *sharedtypes.GenesisState) {
		params := &state.Params
		params.NumBlocksPerSession = uint64(g.config.BlocksPerSession)
		params.GracePeriodEndOffsetBlocks = 1
		params.ClaimWindowOpenOffsetBlocks = 1
		params.ClaimWindowCloseOffsetBlocks = 4
		// With an offset of 0 a supplier that claims in the last block would
		// know the seed of its proof when it claims (x/proof).
		params.ProofWindowOpenOffsetBlocks = 1
		params.ProofWindowCloseOffsetBlocks = 4
		if hook := g.config.Genesis.Shared; hook != nil {
			hook(params)
		}
		setUnbondingPeriods(params)
	})
	change(g, sessiontypes.ModuleName, func(state *sessiontypes.GenesisState) {
		state.Params.NumSuppliersPerSession = uint64(g.config.Suppliers)
	})
	change(g, prooftypes.ModuleName, func(state *prooftypes.GenesisState) {
		threshold := upokt(g.config.ProofThreshold)
		state.Params.ProofRequestProbability = *g.config.ProofProbability
		state.Params.ProofRequirementThreshold = &threshold
		if hook := g.config.Genesis.Proof; hook != nil {
			hook(&state.Params)
		}
	})
	change(g, tokenomicstypes.ModuleName, func(state *tokenomicstypes.GenesisState) {
		state.Params.DaoRewardAddress = g.ids.dao.bech32()
		if hook := g.config.Genesis.Tokenomics; hook != nil {
			hook(&state.Params)
		}
	})
}

// setUnbondingPeriods makes them cover the claim and proof windows, as the
// chain demands (x/shared: Params.ValidateBasic), unless they do already.
func setUnbondingPeriods(params *sharedtypes.Params) {
	if params.NumBlocksPerSession == 0 {
		return // the chain refuses the genesis and says why
	}
	sum := params.ClaimWindowOpenOffsetBlocks + params.ClaimWindowCloseOffsetBlocks +
		params.ProofWindowOpenOffsetBlocks + params.ProofWindowCloseOffsetBlocks
	sessions := (sum + params.NumBlocksPerSession - 1) / params.NumBlocksPerSession
	params.SupplierUnbondingPeriodSessions = max(params.SupplierUnbondingPeriodSessions, sessions)
	params.ApplicationUnbondingPeriodSessions = max(params.ApplicationUnbondingPeriodSessions, sessions)
}

func upokt(amount int64) cosmostypes.Coin {
	return cosmostypes.NewInt64Coin(pocket.DenomuPOKT, amount)
}
