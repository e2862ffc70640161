package tx

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cosmossdk.io/math"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

const fakeChainID = "fake"

// fakeChain obeys the rules by which a chain includes unordered transactions,
// and fails where the test says.
type fakeChain struct {
	mu      sync.Mutex
	height  int64
	lag     int64 // of the state behind the newest block
	block   *relayer.Block
	stream  *observable.Replay[*relayer.Block]
	mempool []string               // hashes, in the order of arrival
	known   map[string]*fakeTx     // whatever was shown to the node, by hash
	stamps  map[int64]bool         // used by included transactions
	effects map[string][]int64     // heights at which a message took effect, by recipient
	ledgers map[string]*fakeLedger // of submissions, by recipient
	broken  []string               // rules that the submitter has violated

	ordered       bool     // unordered transactions are refused
	laxSimulation bool     // does not look at sequences
	sequences     []uint64 // of the account, after each block

	arrived chan struct{} // closed when the first transaction is in the mempool
	story   []string      // what happened, for the reader of a failure

	limits      chain.BlockLimits
	limitsAsked int

	minPrice  math.LegacyDec
	simulated int
	prices    int

	// What goes wrong. Nil means nothing does.
	refuseSim   func(recipients []string) error
	onBroadcast func(tx *fakeTx) (deliver bool, reply error)
	onInclude   func(tx *fakeTx) (include bool, code uint32)
	onAsk       func(what string) error
	explained   int
	onFind      func(ctx context.Context) error // without the lock
}

var genesis = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newFakeChain() *fakeChain {
	c := &fakeChain{
		stream:   observable.NewReplay[*relayer.Block](1),
		known:    make(map[string]*fakeTx),
		stamps:   make(map[int64]bool),
		effects:  make(map[string][]int64),
		ledgers:  make(map[string]*fakeLedger),
		minPrice: math.LegacyZeroDec(),
		arrived:  make(chan struct{}),

		sequences: []uint64{0},
	}
	c.next()
	return c
}

func (c *fakeChain) ChainID() string { return fakeChainID }

func (c *fakeChain) Blocks() relayer.BlocksObservable { return c.stream }

func (c *fakeChain) Latest() *relayer.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.block
}

// next makes a block of what is in the mempool and may be included.
func (c *fakeChain) next() *relayer.Block {
	c.mu.Lock()
	c.height++
	c.block = &relayer.Block{Height: c.height, Time: genesis.Add(time.Duration(c.height) * time.Second)}
	c.sequences = append(c.sequences, c.sequence())
	var left []string
	for _, hash := range c.mempool {
		tx := c.known[hash]
		if !c.allowed(tx) {
			continue
		}
		include, code := !tx.ordered || tx.sequence == c.sequence(), uint32(0)
		if include && c.onInclude != nil {
			include, code = c.onInclude(tx)
		}
		if !include {
			left = append(left, hash)
			continue
		}
		c.include(tx, code)
	}
	c.mempool = nil
	for _, hash := range left { // as after each block those are checked again that are left
		if tx := c.known[hash]; !tx.ordered || tx.sequence == c.pendingSequence() {
			c.mempool = append(c.mempool, hash)
		}
	}
	block := c.block
	c.mu.Unlock()
	if err := c.stream.Publish(context.Background(), block); err != nil {
		panic(err) // the stream is never closed
	}
	return block
}

// include puts a transaction into the block that is being made.
func (c *fakeChain) include(tx *fakeTx, code uint32) {
	tx.included, tx.code = c.height, code
	c.tell("block %d includes %.6s with code %d", c.height, tx.hash, code)
	if tx.ordered {
		c.sequences[c.height]++
	} else {
		c.stamps[tx.timeout.UnixNano()] = true
	}
	if code == 0 {
		for _, recipient := range tx.recipients {
			c.effects[recipient] = append(c.effects[recipient], c.height)
		}
	}
}

// sequence is that of the account in the newest state.
func (c *fakeChain) sequence() uint64 { return c.sequences[len(c.sequences)-1] }

// pendingSequence is that after the transactions in the mempool.
func (c *fakeChain) pendingSequence() uint64 {
	next := c.sequence()
	for _, hash := range c.mempool {
		if c.known[hash].ordered {
			next++
		}
	}
	return next
}

// allowed applies the rules of x/auth/ante to the block that is being made.
func (c *fakeChain) allowed(tx *fakeTx) bool {
	if tx.included > 0 || c.height > tx.timeoutHeight {
		return false
	}
	if tx.ordered {
		return tx.sequence >= c.sequence()
	}
	return !tx.timeout.Before(c.block.Time) && !c.stamps[tx.timeout.UnixNano()]
}

// mayLand reports whether a transaction that was in a mempool can be included in the
// next block or a later one.
func (c *fakeChain) mayLand(tx *fakeTx) bool {
	alive := tx.delivered && tx.included == 0 && c.height+1 <= tx.timeoutHeight
	if tx.ordered {
		return alive && tx.sequence >= c.sequence()
	}
	return alive && tx.timeout.After(c.block.Time)
}

// checkOrder applies the rules of x/auth/ante about sequences.
func (c *fakeChain) checkOrder(tx *fakeTx) *chain.Refusal {
	switch {
	case !tx.ordered && c.ordered:
		return &chain.Refusal{Codespace: "sdk", Code: 37, Log: "unordered transactions are not enabled"}
	case tx.ordered && tx.sequence != c.pendingSequence():
		return &chain.Refusal{Codespace: "sdk", Code: 32, Log: fmt.Sprintf("expected %d, got %d", c.pendingSequence(), tx.sequence)}
	}
	return nil
}

func (c *fakeChain) ask(what string) error {
	if c.onAsk != nil {
		return c.onAsk(what)
	}
	return nil
}

func (c *fakeChain) StateHeight(context.Context) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.height-c.lag, 1), c.ask("state height")
}

func (c *fakeChain) Account(context.Context, string) (chain.Account, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return chain.Account{Number: 7, Sequence: c.sequences[max(len(c.sequences)-1-int(c.lag), 0)]}, c.ask("account")
}

func (c *fakeChain) Explain(_ context.Context, txBytes []byte) (*chain.Refusal, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.explained++
	if err := c.ask("explain"); err != nil {
		return nil, err
	}
	tx, err := readTx(txBytes)
	if err != nil {
		return nil, err
	}
	if refusal := c.checkOrder(tx); refusal != nil {
		return refusal, nil
	}
	if c.refuseSim != nil && c.refuseSim(tx.recipients) != nil {
		return &chain.Refusal{Codespace: "undefined", Code: 1}, nil
	}
	return nil, nil
}

func (c *fakeChain) BlockLimits(context.Context) (chain.BlockLimits, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limitsAsked++
	return c.limits, c.ask("limits")
}

func (c *fakeChain) MinGasPrice(context.Context) (math.LegacyDec, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prices++
	return c.minPrice, c.ask("price")
}

// gasPerMessage is what every message of the fake chain uses.
const gasPerMessage = 1000

func (c *fakeChain) Simulate(_ context.Context, txBytes []byte) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.simulated++
	if err := c.ask("simulate"); err != nil {
		return 0, err
	}
	tx, err := readTx(txBytes)
	if err != nil {
		return 0, err
	}
	if refusal := c.checkOrder(tx); refusal != nil && !c.laxSimulation {
		return 0, &chain.Refusal{Codespace: chain.SimulationCodespace, Code: 2, Log: refusal.Log}
	}
	if c.refuseSim != nil {
		if err := c.refuseSim(tx.recipients); err != nil {
			return 0, err
		}
	}
	return gasPerMessage * uint64(len(tx.recipients)), nil
}

func (c *fakeChain) Broadcast(_ context.Context, txBytes []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tx, err := readTx(txBytes)
	if err != nil {
		return err
	}
	if again, ok := c.known[tx.hash]; ok {
		tx = again
	}
	c.known[tx.hash] = tx
	c.checkSender(tx)
	deliver, reply := true, error(nil)
	if c.onBroadcast != nil {
		deliver, reply = c.onBroadcast(tx)
	}
	var refusal *chain.Refusal
	if errors.As(reply, &refusal) || !deliver {
		c.tell("at %d %.6s %v is not delivered, reply %v", c.height, tx.hash, tx.recipients, reply)
		return reply
	}
	if slices.Contains(c.mempool, tx.hash) {
		return reply
	}
	if !tx.ordered && (tx.included > 0 || c.stamps[tx.timeout.UnixNano()]) {
		return &chain.Refusal{Codespace: "sdk", Code: 18, Log: "timeout was used"}
	}
	if refusal := c.checkOrder(tx); refusal != nil {
		return refusal
	}
	if c.minPrice.MulInt64(int64(tx.gas)).GT(math.LegacyNewDec(tx.fee)) {
		return &chain.Refusal{Codespace: "sdk", Code: 13, Log: "insufficient fee"}
	}
	c.announce()
	tx.delivered = true
	c.tell("at %d %.6s %v is delivered, reply %v", c.height, tx.hash, tx.recipients, reply)
	c.mempool = append(c.mempool, tx.hash)
	return reply
}

// announce tells the one who waits for the first transaction.
func (c *fakeChain) announce() {
	select {
	case <-c.arrived:
	default:
		close(c.arrived)
	}
}

// untilSent waits for the first transaction.
func (c *fakeChain) untilSent() { <-c.arrived }

func (c *fakeChain) tell(format string, args ...any) {
	c.story = append(c.story, fmt.Sprintf(format, args...))
}

// checkSender notes what a submitter must never do: send what is not recorded,
// or a second transaction with a message while the first can still be included.
func (c *fakeChain) checkSender(tx *fakeTx) {
	for _, recipient := range tx.recipients {
		if ledger := c.ledgers[recipient]; ledger != nil && !ledger.has(tx.hash) {
			c.broken = append(c.broken, fmt.Sprintf("%s was sent without a record", tx.hash))
		}
		for _, other := range c.known {
			if other != tx && c.mayLand(other) && slices.Contains(other.recipients, recipient) {
				c.broken = append(c.broken, fmt.Sprintf("%s was sent while %s could be included", tx.hash, other.hash))
			}
		}
	}
}

func (c *fakeChain) FindTx(ctx context.Context, hash []byte, from, to int64) (chain.TxResult, bool, error) {
	if c.onFind != nil {
		if err := c.onFind(ctx); err != nil {
			return chain.TxResult{}, false, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ask("find"); err != nil {
		return chain.TxResult{}, false, err
	}
	tx, ok := c.known[strings.ToUpper(hex.EncodeToString(hash))]
	if !ok || tx.included == 0 || tx.included < from || tx.included > to {
		return chain.TxResult{}, false, nil
	}
	return chain.TxResult{Height: tx.included, Code: tx.code, Codespace: "sdk", Log: "failed"}, true, nil
}

// tookEffect says how often a message took effect.
func (c *fakeChain) tookEffect(recipient string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.effects[recipient])
}

// inForce answers from the state, which may lag.
func (c *fakeChain) inForce(recipient string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	heights := c.effects[recipient]
	return len(heights) > 0 && heights[0] <= c.height-c.lag, c.ask("in force")
}
