package simchain

import (
	"bytes"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// stake is that of every actor, and its balance, in upokt.
const stake = 1_000_000_000_000

// staked are the answers about actors, by address. They are made once, so that the
// chain costs a benchmark no more than a node's remembered answers do.
type staked struct {
	suppliers    map[string]*sharedtypes.Supplier
	applications map[string]*apptypes.Application
	keys         map[string]cryptotypes.PubKey
	target       []byte // that every relay meets
}

func (c *Chain) stakeAll() staked {
	s := staked{
		suppliers:    make(map[string]*sharedtypes.Supplier),
		applications: make(map[string]*apptypes.Application),
		keys:         make(map[string]cryptotypes.PubKey),
		target:       bytes.Repeat([]byte{0xff}, 32),
	}
	var gateways []string
	for _, gateway := range c.Gateways {
		gateways = append(gateways, gateway.Address)
	}
	for _, a := range c.Suppliers {
		s.suppliers[a.Address] = &sharedtypes.Supplier{
			OwnerAddress: a.Address, OperatorAddress: a.Address, Stake: coin(),
			Services: []*sharedtypes.SupplierServiceConfig{{ServiceId: Service}},
		}
	}
	for _, a := range c.Applications {
		s.applications[a.Address] = &apptypes.Application{
			Address: a.Address, Stake: coin(), DelegateeGatewayAddresses: gateways,
			ServiceConfigs: []*sharedtypes.ApplicationServiceConfig{{ServiceId: Service}},
		}
	}
	for _, actors := range [][]Actor{c.Gateways, c.Applications, c.Suppliers} {
		for _, a := range actors {
			s.keys[a.Address] = a.Key.PubKey()
		}
	}
	return s
}

func coin() *cosmostypes.Coin {
	c := cosmostypes.NewInt64Coin("upokt", stake)
	return &c
}
