package tx

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cosmossdk.io/math"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// Options are the settings of a Submitter. The zero value of each field means
// its default.
type Options struct {
	// GasPrices is the fee per unit of gas, as operators write it, such as
	// "0.001upokt". Empty means no fee. A transaction's fee is rounded up.
	GasPrices string
	// MaxGasPrices is what the price may be raised to when a node demands more.
	// Empty means ten times GasPrices. Mandatory messages are not bound by it.
	MaxGasPrices string
	// GasAdjustment times the gas that a simulation used is the gas limit. The
	// default is 1.5; it is at least 1.
	GasAdjustment float64

	// MaxMessages bounds the messages of a transaction, 100 by default.
	MaxMessages int
	// MaxBytes bounds the size of a transaction of several messages; a message
	// that is larger travels alone. The default is 740,000 bytes, which is what
	// fits into a node's default limit of 1,000,000 bytes per RPC request
	// (CometBFT: rpc.max_body_bytes) once base64 has made it a third longer.
	MaxBytes int
	// Balances tells what signers can pay: a transaction whose fee they cannot pay
	// is not sent, unless its messages are mandatory. By default every fee counts
	// as payable, and the chain refuses what is not.
	Balances Balances
	// Linger is how long a submission waits for others of its signer, 50
	// milliseconds by default.
	Linger time.Duration
	// Life is how long after the newest block's time a transaction can be
	// included, 9 minutes by default and less than 10. The deadline of its
	// messages bounds it as well.
	Life time.Duration

	// MaxPending bounds the submissions in progress, 16,384 by default. Submit
	// refuses more.
	MaxPending int
	// Concurrency bounds the signers that talk to the node at a time, 64 by
	// default. The others wait for their turn.
	Concurrency int
	// CallsAtOnce bounds the calls of InForce and Record that are under way for
	// a signer at a time, 64 by default: calls mostly wait, and
	// a window has few blocks.
	CallsAtOnce int
	// CallTimeout bounds one call to the node or to a submission's InForce, 10
	// seconds by default.
	CallTimeout time.Duration
	// LookupBudget bounds what a signer spends per block on finding out which block
	// has a transaction, 1 second by default. When it is not enough, or the node does
	// not answer, some blocks pass before the next try. Nothing waits for it.
	LookupBudget time.Duration
	// StopPatience is how long Stop follows transactions that are under way. By
	// default it does not: the next process finds out what became of them.
	StopPatience time.Duration
	// OnFailure is told when the submitter has failed for good, in spite of being started
	// again. It must not wait for the submitter. The default is to log only.
	OnFailure func(error)
	// Logger is told of what the operator should know. The default is
	// slog.Default.
	Logger *slog.Logger
}

const (
	// maxLife is how far after the time of the block that includes it a
	// transaction's timeout may lie (x/auth/ante: DefaultMaxTimeoutDuration).
	maxLife = 10 * time.Minute
	// maxPriceFactor times the gas price is the default of the highest.
	maxPriceFactor = 10
)

// ErrOptions says that options contradict themselves or the chain.
var ErrOptions = errors.New("invalid submitter options")

// settings are options that were checked and completed.
type settings struct {
	Options
	price, maxPrice math.LegacyDec // upokt per unit of gas
}

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func (o Options) complete() (settings, error) {
	orDefault(&o.GasAdjustment, 1.5)
	orDefault(&o.MaxMessages, 100)
	orDefault(&o.MaxBytes, 740_000)
	orDefault(&o.Linger, 50*time.Millisecond)
	orDefault(&o.Life, 9*time.Minute) // a minute less than allowed, for nodes that lag
	orDefault(&o.MaxPending, 16_384)
	orDefault(&o.Concurrency, 64)
	orDefault(&o.CallsAtOnce, 64)
	orDefault(&o.CallTimeout, 10*time.Second)
	orDefault(&o.LookupBudget, time.Second)
	if o.Balances == nil {
		o.Balances = ample{}
	}
	if o.OnFailure == nil {
		o.OnFailure = func(error) {}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := settings{Options: o}
	var err error
	if s.price, err = parsePrice(o.GasPrices); err != nil {
		return s, fmt.Errorf("%w: gas price: %w", ErrOptions, err)
	}
	s.maxPrice = s.price.MulInt64(maxPriceFactor)
	if o.MaxGasPrices != "" {
		if s.maxPrice, err = parsePrice(o.MaxGasPrices); err != nil {
			return s, fmt.Errorf("%w: max gas price: %w", ErrOptions, err)
		}
	}
	return s, s.check()
}

func (s settings) check() error {
	var wrong []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	demand(s.GasAdjustment >= 1, "gas adjustment %v is below 1", s.GasAdjustment)
	demand(s.maxPrice.GTE(s.price), "max gas price %s is below gas price %s", s.maxPrice, s.price)
	demand(s.MaxMessages > 0, "max messages is %d", s.MaxMessages)
	demand(s.MaxBytes > 0, "max bytes is %d", s.MaxBytes)
	demand(s.Linger > 0, "linger is %v", s.Linger)
	demand(s.Life > 0 && s.Life < maxLife, "life %v is not between 0 and %v", s.Life, maxLife)
	demand(s.MaxPending > 0, "max pending is %d", s.MaxPending)
	demand(s.Concurrency > 0, "concurrency is %d", s.Concurrency)
	demand(s.CallsAtOnce > 0, "calls at once are %d", s.CallsAtOnce)
	demand(s.CallTimeout > 0, "call timeout is %v", s.CallTimeout)
	demand(s.LookupBudget > 0, "lookup budget is %v", s.LookupBudget)
	demand(s.StopPatience >= 0, "stop patience is %v", s.StopPatience)
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %w", ErrOptions, errors.Join(wrong...))
	}
	return nil
}

// parsePrice reads a gas price. Empty means zero.
func parsePrice(price string) (math.LegacyDec, error) {
	if price == "" {
		return math.LegacyZeroDec(), nil
	}
	coin, err := cosmostypes.ParseDecCoin(price)
	if err != nil {
		return math.LegacyDec{}, err
	}
	if coin.Denom != chain.Denom {
		return math.LegacyDec{}, fmt.Errorf("%q is not in %s", price, chain.Denom)
	}
	return coin.Amount, nil
}
