package session

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cosmossdk.io/math"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// FundsQuerier tells what suppliers have. *chain.Queries implements it.
type FundsQuerier interface {
	// Balance returns the spendable upokt of an account.
	Balance(ctx context.Context, address string) (math.Int, error)
	// Supplier returns a supplier, with its stake.
	Supplier(ctx context.Context, operatorAddress string) (*sharedtypes.Supplier, error)
	// ProofParams returns the parameters that set the penalty.
	ProofParams(ctx context.Context) (*prooftypes.Params, error)
	// MinSupplierStake returns the stake in upokt below which a supplier is unbonded.
	MinSupplierStake(ctx context.Context) (math.Int, error)
}

// Below these a supplier is short of funds: this many penalties for missing proofs
// that its stake covers, and the fees of this many claims or proofs.
const (
	lowPenalties = 3
	lowFees      = 100
)

// A FundsMonitor asks for a few suppliers at each block, and for none before this
// many blocks have passed since it began with the first.
const (
	fundsPerBlock = 8
	fundsEvery    = 10
	fundsTime     = 10 * time.Second // for the answers about one supplier
)

// Funds are what a supplier has to pay and to lose.
type Funds struct {
	Supplier string `json:"supplier"`         // operator address
	Height   int64  `json:"height,omitempty"` // when it was asked for, 0 if it is not known
	// BalanceUpokt is what the operator account can spend, from which fees are paid.
	BalanceUpokt int64 `json:"balance_upokt"`
	StakeUpokt   int64 `json:"stake_upokt"`
	// PenaltiesCovered is how many missing or invalid proofs the stake covers before
	// it is below the minimum and the supplier is unbonded; nil if they cost nothing.
	PenaltiesCovered *int64 `json:"penalties_covered,omitempty"`
	// FeeUpokt is the part of the last transaction's fee that fell to one message, 0
	// if none was made since the start.
	FeeUpokt int64 `json:"fee_upokt,omitempty"`
	// Problem says why the answer is old, if it is.
	Problem string `json:"problem,omitempty"`
}

// FewPenalties reports whether the stake covers too few penalties.
func (f *Funds) FewPenalties() bool {
	return f.PenaltiesCovered != nil && *f.PenaltiesCovered < lowPenalties
}

// FewFees reports whether the balance pays for too few claims and proofs.
func (f *Funds) FewFees() bool {
	return f.Height > 0 && f.FeeUpokt > 0 && f.BalanceUpokt/lowFees < f.FeeUpokt
}

// penaltiesCovered returns how many penalties a stake covers (x/tokenomics slashes
// a supplier for each, and unbonds it when its stake is below the minimum); nil if a
// penalty costs nothing.
func penaltiesCovered(stake, minimum, penalty math.Int) *int64 {
	if !penalty.IsPositive() {
		return nil
	}
	covered := math.MaxInt(stake.Sub(minimum), math.ZeroInt()).Quo(penalty)
	n := bounded(covered)
	return &n
}

// bounded returns a number that may be too large to be one.
func bounded(n math.Int) int64 {
	if !n.IsInt64() {
		return 1<<63 - 1
	}
	return n.Int64()
}

// FundsMonitor watches what suppliers have. A supplier that is short of it is
// told of in the log once, and again when it is not any more.
type FundsMonitor struct {
	suppliers []string
	chain     FundsQuerier
	blocks    relayer.BlockSource
	moves     observable.ReplayObservable[*Moved]
	log       *slog.Logger

	ctx    context.Context // of the questions
	cancel context.CancelFunc
	leave  []func()          // end the subscriptions
	done   []<-chan struct{} // closed when what they have brought is handled

	next  int   // supplier to be asked for next; of the goroutine that asks
	began int64 // height at which the first was asked for; likewise

	mu    sync.Mutex
	funds map[string]*Funds // has all suppliers
	short map[string][2]bool
}

// NewFundsMonitor returns a monitor of suppliers for which a sessions manager works.
// It fails if the manager is not one of NewRelayerSessionsManager.
func NewFundsMonitor(
	manager relayer.RelayerSessionsManager,
	suppliers []string,
	chain FundsQuerier,
	log *slog.Logger,
) (*FundsMonitor, error) {
	m, ok := manager.(*sessionsManager)
	if !ok {
		return nil, fmt.Errorf("funds of the suppliers of a %T cannot be watched", manager)
	}
	f := &FundsMonitor{
		suppliers: suppliers, chain: chain, blocks: m.blocks, moves: m.transitions,
		log:   log.With("component", "funds"),
		funds: make(map[string]*Funds), short: make(map[string][2]bool),
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	for _, supplier := range suppliers {
		f.funds[supplier] = &Funds{Supplier: supplier}
	}
	return f, nil
}

// Start begins to watch. The caller must call Stop, whether or not Start is called.
func (f *FundsMonitor) Start() {
	blocks, leave := f.blocks.Blocks().Subscribe(observable.WithName("watch_funds"),
		observable.WithBuffer(1), observable.WithOverflow(observable.DropOldest))
	f.leave = append(f.leave, leave)
	f.done = append(f.done, observable.ForEach(blocks, func(_ context.Context, block *relayer.Block) error {
		f.look(block.Height)
		return nil
	}))
	moves, leave := f.moves.Subscribe(observable.WithName("watch_fees"), observable.WithOverflow(observable.DropOldest))
	f.leave = append(f.leave, leave)
	f.done = append(f.done, observable.ForEach(moves, func(_ context.Context, moved *Moved) error {
		f.noteFee(moved.Record)
		return nil
	}))
}

// Stop ends what is under way.
func (f *FundsMonitor) Stop() {
	f.cancel()
	for _, leave := range f.leave {
		leave()
	}
	for _, done := range f.done {
		<-done
	}
}

// Funds returns what is known of each supplier, in the order in which they were
// named.
func (f *FundsMonitor) Funds() []Funds {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Funds, len(f.suppliers))
	for n, supplier := range f.suppliers {
		all[n] = *f.funds[supplier]
	}
	return all
}

// look asks for the next suppliers, if it is time to. It ends with the first that
// the chain gives no answer about, which is the first to be asked for again.
func (f *FundsMonitor) look(height int64) {
	if f.next == 0 && f.began > 0 && height < f.began+fundsEvery {
		return
	}
	for range min(fundsPerBlock, len(f.suppliers)-f.next) {
		if err := f.ask(f.suppliers[f.next], height); err != nil {
			return
		}
		if f.next == 0 {
			f.began = height
		}
		f.next++
	}
	if f.next == len(f.suppliers) {
		f.next = 0
	}
}

// ask asks for one supplier and notes the answer.
func (f *FundsMonitor) ask(supplier string, height int64) error {
	ctx, cancel := context.WithTimeout(f.ctx, fundsTime)
	defer cancel()
	got, err := f.answer(ctx, supplier)
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.funds[supplier]
	if err != nil {
		f.log.Debug("funds are not known", "supplier", supplier, "height", height, "error", err)
		known.Problem = err.Error()
		return err
	}
	got.Supplier, got.Height, got.FeeUpokt = supplier, height, known.FeeUpokt
	f.funds[supplier] = got
	f.tell(got)
	return nil
}

func (f *FundsMonitor) answer(ctx context.Context, supplier string) (*Funds, error) {
	balance, err := f.chain.Balance(ctx, supplier)
	if err != nil {
		return nil, err
	}
	staked, err := f.chain.Supplier(ctx, supplier)
	if err != nil {
		return nil, err
	}
	params, err := f.chain.ProofParams(ctx)
	if err != nil {
		return nil, err
	}
	minimum, err := f.chain.MinSupplierStake(ctx)
	if err != nil {
		return nil, err
	}
	stake, penalty := math.ZeroInt(), math.ZeroInt()
	if staked.Stake != nil {
		stake = staked.Stake.Amount
	}
	if params.ProofMissingPenalty != nil {
		penalty = params.ProofMissingPenalty.Amount
	}
	return &Funds{
		BalanceUpokt: bounded(balance), StakeUpokt: bounded(stake), PenaltiesCovered: penaltiesCovered(stake, minimum, penalty),
	}, nil
}

// tell logs when funds begin or cease to be short. mu is held.
func (f *FundsMonitor) tell(funds *Funds) {
	was, is := f.short[funds.Supplier], [2]bool{funds.FewPenalties(), funds.FewFees()}
	f.short[funds.Supplier] = is
	log := f.log.With("supplier", funds.Supplier, "height", funds.Height)
	switch {
	case is[0] && !was[0]:
		log.Warn("stake covers few more missing proofs before the supplier is unbonded",
			"penalties", *funds.PenaltiesCovered, "stake_upokt", funds.StakeUpokt)
	case was[0] && !is[0]:
		log.Info("stake covers enough penalties again")
	}
	switch {
	case is[1] && !was[1]:
		log.Warn("balance pays for few more claims and proofs", "balance_upokt", funds.BalanceUpokt, "fee_upokt", funds.FeeUpokt)
	case was[1] && !is[1]:
		log.Info("balance pays for enough claims and proofs again")
	}
}

// noteFee notes what a message of the last transaction of a session has cost.
func (f *FundsMonitor) noteFee(record *Record) {
	attempts := record.ProofAttempts
	if len(attempts) == 0 {
		attempts = record.ClaimAttempts
	}
	if len(attempts) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.funds[record.Supplier]; known != nil {
		known.FeeUpokt = feeShare(&attempts[len(attempts)-1])
	}
}
