package localnet

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cosmos/cosmos-sdk/codec"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// ConfigError is the error of a Config that cannot be run.
type ConfigError struct {
	Field string // of Config
	Err   error  // what is wrong with it and what would be right
}

// Error implements error.
func (e *ConfigError) Error() string { return fmt.Sprintf("localnet config: %s: %v", e.Field, e.Err) }

// Unwrap returns what is wrong with the field.
func (e *ConfigError) Unwrap() error { return e.Err }

func configErrorf(field, format string, args ...any) error {
	return &ConfigError{Field: field, Err: fmt.Errorf(format, args...)}
}

// Values of Config fields that are zero.
const (
	DefaultChainID              = "pocket-localnet"
	DefaultBlockTime            = 200 * time.Millisecond
	DefaultBlocksPerSession     = 10
	DefaultServiceID            = "anvil"
	DefaultComputeUnitsPerRelay = 100
	DefaultMinGasPrices         = "0upokt"

	// DefaultProofThreshold is above what any session here can claim, so that
	// the probability alone decides whether a proof is required.
	DefaultProofThreshold = int64(1e15)
)

// Config describes a network. The zero value is a network with one application,
// gateway, supplier and service whose proofs are always required.
type Config struct {
	// Home is the directory for keys, genesis, data and the files that describe
	// the network. It is created when missing and must not hold a network yet.
	// Empty means a new temporary directory, which stays behind.
	Home string
	// ChainID is DefaultChainID when empty.
	ChainID string
	// BlockTime is the pause between blocks. The time that the chain needs to
	// make a block comes on top.
	BlockTime time.Duration
	// BlocksPerSession is the length of a session, at least 2 (a session header
	// whose end is not above its start is invalid, x/session).
	BlocksPerSession int
	// Suppliers, Applications and Gateways are how many of each are staked; 0
	// means one.
	Suppliers, Applications, Gateways int
	// Services is one service named DefaultServiceID when empty. Every supplier
	// serves all of them; applications are spread over them in turn.
	Services []ServiceConfig

	// ProofProbability is how likely a claim below ProofThreshold needs a
	// proof, 0 to 1; nil means always.
	ProofProbability *float64
	// ProofThreshold is the amount in upokt from which on a claim needs a proof
	// whatever the probability; 0 means DefaultProofThreshold.
	ProofThreshold int64
	// TargetNumRelays is the number of mined relays per session and service
	// that the relay mining difficulty aims at; 0 means the chain's own default.
	TargetNumRelays uint64

	// RPCAddr and GRPCAddr are host:port of the CometBFT RPC and of gRPC; empty
	// means a free port on loopback.
	RPCAddr, GRPCAddr string
	// MinGasPrices is what the node's mempool demands, for example
	// "0.001upokt".
	MinGasPrices string
	// MaxBlockGas bounds the gas of a block; 0 means no bound.
	MaxBlockGas int64
	// MaxTxBytes, MaxRPCBodyBytes and MaxSubscriptionsPerClient are limits of
	// the node; 0 means CometBFT's own defaults (1 MiB, 1 MB and 5), which are
	// also what operators' nodes have.
	MaxTxBytes                int
	MaxRPCBodyBytes           int64
	MaxSubscriptionsPerClient int
	// Persistent keeps the chain's data in Home instead of in memory.
	Persistent bool

	// BackendDelay is how long the services take to answer a relay.
	BackendDelay time.Duration
	// Logger receives what the chain logs; nil discards it.
	Logger *slog.Logger

	// Genesis changes the genesis before the first block.
	Genesis GenesisHooks

	// wrapApp lets a test stand between the node and the application.
	wrapApp func(abci.Application) abci.Application
}

// ServiceConfig describes a service.
type ServiceConfig struct {
	// ID is made of letters, digits, hyphens and underscores, at most 42 of
	// them (x/shared: IsValidServiceId).
	ID string
	// ComputeUnitsPerRelay is DefaultComputeUnitsPerRelay when 0.
	ComputeUnitsPerRelay uint64
	// BackendURL is a backend that already runs; when empty the network runs a
	// Backend for the service.
	BackendURL string
}

// GenesisHooks change the genesis. Each may be nil. Those with types run before
// State, and the result must be valid for the chain.
type GenesisHooks struct {
	Shared       func(*sharedtypes.Params)
	Proof        func(*prooftypes.Params)
	Tokenomics   func(*tokenomicstypes.Params)
	Applications func([]apptypes.Application)
	Suppliers    func([]sharedtypes.Supplier)
	// State changes the whole genesis, keyed by module name.
	State func(codec.JSONCodec, map[string]json.RawMessage) error
}

// serviceIDPattern is that of x/shared: IsValidServiceId.
var serviceIDPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,42}$`)

// maxActors bounds suppliers, applications and gateways each: the stakes of all
// of them together must stay below the largest int64 in upokt.
const maxActors = 5000

// withDefaults returns the configuration with zero fields filled in. The error
// is a *ConfigError.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.ChainID, DefaultChainID)
	setDefault(&c.BlockTime, DefaultBlockTime)
	setDefault(&c.BlocksPerSession, DefaultBlocksPerSession)
	setDefault(&c.Suppliers, 1)
	setDefault(&c.Applications, 1)
	setDefault(&c.Gateways, 1)
	setDefault(&c.ProofThreshold, DefaultProofThreshold)
	setDefault(&c.MinGasPrices, DefaultMinGasPrices)
	setDefault(&c.MaxBlockGas, -1) // CometBFT: -1 is no bound
	if c.ProofProbability == nil {
		c.ProofProbability = new(1.0)
	}
	if c.wrapApp == nil {
		c.wrapApp = func(application abci.Application) abci.Application { return application }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	services := []ServiceConfig{{ID: DefaultServiceID}}
	if len(c.Services) > 0 {
		services = append([]ServiceConfig(nil), c.Services...)
	}
	for i := range services {
		setDefault(&services[i].ComputeUnitsPerRelay, DefaultComputeUnitsPerRelay)
	}
	c.Services = services
	if err := c.check(); err != nil {
		return Config{}, err
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) check() error {
	counts := []struct {
		field string
		n     int
	}{{"Suppliers", c.Suppliers}, {"Applications", c.Applications}, {"Gateways", c.Gateways}}
	for _, count := range counts {
		if count.n < 1 || count.n > maxActors {
			return configErrorf(count.field, "%d is not between 1 and %d", count.n, maxActors)
		}
	}
	if c.BlockTime < 0 {
		return configErrorf("BlockTime", "%s is negative", c.BlockTime)
	}
	if c.BackendDelay < 0 {
		return configErrorf("BackendDelay", "%s is negative", c.BackendDelay)
	}
	if c.BlocksPerSession < 2 {
		return configErrorf("BlocksPerSession", "%d is below 2", c.BlocksPerSession)
	}
	if p := *c.ProofProbability; !(p >= 0 && p <= 1) { // not a number is wrong too
		return configErrorf("ProofProbability", "%g is not between 0 and 1", p)
	}
	if c.ProofThreshold < 0 {
		return configErrorf("ProofThreshold", "%d upokt is negative", c.ProofThreshold)
	}
	if c.MaxTxBytes < 0 || c.MaxTxBytes > cmttypes.MaxBlockSizeBytes/2 {
		return configErrorf("MaxTxBytes", "%d is not between 0 and %d", c.MaxTxBytes, cmttypes.MaxBlockSizeBytes/2)
	}
	if _, err := cosmostypes.ParseDecCoins(c.MinGasPrices); err != nil {
		return configErrorf("MinGasPrices", "must be like 0.001upokt: %w", err)
	}
	seen := make(map[string]bool)
	for _, service := range c.Services {
		if !serviceIDPattern.MatchString(service.ID) {
			return configErrorf("Services", "id %q does not match %s", service.ID, serviceIDPattern)
		}
		if seen[service.ID] {
			return configErrorf("Services", "id %q is there twice", service.ID)
		}
		seen[service.ID] = true
	}
	for field, addr := range map[string]string{"RPCAddr": c.RPCAddr, "GRPCAddr": c.GRPCAddr} {
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return configErrorf(field, "must be host:port: %w", err)
		}
	}
	return nil
}
