package localnet

import (
	"sync"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/version"
	"github.com/pokt-network/poktroll/app"
	"github.com/rs/zerolog"
)

// chainVersion is the version of the chain's module in go.mod. Clients parse
// what a node reports, so it has to be a semantic version.
const chainVersion = "0.1.35"

// The SDK keeps its configuration in package variables; there is no other way
// to tell it the network's address prefixes.
var sdkOnce sync.Once

// ConfigureSDK tells the SDK of this process that addresses are Pocket's and
// which version the chain has. Start calls it; a program that touches addresses
// before Start calls it first. The SDK's configuration is left unsealed, as
// others in the process set the same prefixes.
func ConfigureSDK() {
	sdkOnce.Do(func() {
		const prefix = app.AccountAddressPrefix
		config := cosmostypes.GetConfig()
		config.SetBech32PrefixForAccount(prefix, prefix+"pub")
		config.SetBech32PrefixForValidator(prefix+"valoper", prefix+"valoperpub")
		config.SetBech32PrefixForConsensusNode(prefix+"valcons", prefix+"valconspub")
		version.Name = app.Name
		version.AppName = app.Name + "d"
		version.Version = chainVersion
		// The chain's ring client logs each verification to standard error,
		// past the logger that the node is given.
		zerolog.SetGlobalLevel(zerolog.ErrorLevel)
	})
}
