package chain

import (
	"fmt"

	"cosmossdk.io/x/tx/signing"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	vestingtypes "github.com/cosmos/cosmos-sdk/x/auth/vesting/types"
	"github.com/cosmos/gogoproto/proto"
)

// The first parts of the chain's bech32 addresses.
const (
	accountPrefix   = "pokt"
	validatorPrefix = "poktvaloper"
	consensusPrefix = "poktvalcons"
)

// Denom is the unit in which the chain counts balances, fees and rewards, a
// millionth of a POKT.
const Denom = "upokt"

// SetBech32Prefixes makes the process-wide configuration of the Cosmos SDK write
// and read addresses of the Pocket network. It must run before the first address
// is parsed or printed, may run again, and does not seal the configuration.
func SetBech32Prefixes() {
	cfg := cosmostypes.GetConfig()
	if cfg.GetBech32AccountAddrPrefix() == accountPrefix &&
		cfg.GetBech32ValidatorAddrPrefix() == validatorPrefix &&
		cfg.GetBech32ConsensusAddrPrefix() == consensusPrefix {
		return
	}
	cfg.SetBech32PrefixForAccount(accountPrefix, accountPrefix+"pub")
	cfg.SetBech32PrefixForValidator(validatorPrefix, validatorPrefix+"pub")
	cfg.SetBech32PrefixForConsensusNode(consensusPrefix, consensusPrefix+"pub")
}

// newCodec returns a codec that knows every type which an answer can carry in an
// Any: accounts of all kinds and public keys.
func newCodec() (*codec.ProtoCodec, error) {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: signing.Options{
			AddressCodec:          address.NewBech32Codec(accountPrefix),
			ValidatorAddressCodec: address.NewBech32Codec(validatorPrefix),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("interface registry: %w", err)
	}
	cryptocodec.RegisterInterfaces(registry)
	authtypes.RegisterInterfaces(registry)
	vestingtypes.RegisterInterfaces(registry)
	return codec.NewProtoCodec(registry), nil
}
