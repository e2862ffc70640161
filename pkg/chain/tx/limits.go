package tx

import (
	"context"
	"errors"
	"sync"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

const (
	// limitBlocks is after how many blocks the chain is asked for its limits again.
	limitBlocks = 200
	// byteShare is the divisor of a block's size that gives that of a transaction of
	// several messages: the block has a header and the signatures of validators too. Its
	// gas is the transactions' alone, and more of it is of use if one may have it all:
	// of two that need just over half of it a block holds one.
	byteShare = 2
)

// limits are what a transaction of several messages may have. What the chain says is
// asked for now and then; what a refusal teaches is kept until the end, for a chain that
// is given larger blocks is sent more transactions than it needs, which is all the harm.
// They are shared by all signers.
type limits struct {
	mu      sync.Mutex
	block   chain.BlockLimits
	askFrom int64  // height from which on the chain is asked
	gas     uint64 // learned; 0 is no bound
	bytes   uint64 // learned; 0 is no bound
}

// least returns the smaller of two bounds, of which zero is none.
func least(a, b uint64) uint64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// maxGas returns the gas limit that is not to be exceeded, 0 if there is none.
func (l *limits) maxGas() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return least(l.block.Gas, l.gas)
}

// maxBytes returns the size that is not to be exceeded, which is bytes at most.
func (l *limits) maxBytes(bytes int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(least(uint64(bytes), least(l.block.Bytes/byteShare, l.bytes)))
}

// refused learns from the refusal of a transaction of some messages: with half of them
// it may pass. The chain is asked again.
func (l *limits) refused(a *relayer.TxAttempt, size int, refusal *chain.Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.askFrom = 0
	switch {
	case a.Messages < 2: // tells about this message alone
	case errors.Is(refusal, sdkerrors.ErrInvalidGasLimit):
		l.gas = least(l.gas, a.GasWanted/2)
	case errors.Is(refusal, sdkerrors.ErrTxTooLarge):
		l.bytes = least(l.bytes, uint64(min(size/2+envelopeBytes, size-1)))
	}
}

// due reports whether the chain is to be asked at height, and puts off the next time.
func (l *limits) due(height int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if height < l.askFrom {
		return false
	}
	l.askFrom = height + limitBlocks
	return true
}

// learnLimits asks the chain for the limits of its blocks if it is time to. Without an
// answer those known before stay, and the next block is the time to ask again.
func (s *Submitter) learnLimits(ctx context.Context, height int64) {
	if !s.limits.due(height) {
		return
	}
	callCtx, cancel := s.bounded(ctx)
	defer cancel()
	block, err := s.node.BlockLimits(callCtx)
	if ctx.Err() != nil {
		return
	}
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	if err != nil {
		s.limits.askFrom = height + 1
		s.Logger.Warn("cannot ask for the limits of blocks", "error", err)
		return
	}
	if block != s.limits.block {
		s.Logger.Info("limits of blocks", "gas", block.Gas, "bytes", block.Bytes)
	}
	s.limits.block = block
}

// weigh notes what gas the messages of a batch use that was simulated. Of a type the
// last is taken to tell about the next.
func (g *signer) weigh(passed group) {
	n := uint64(len(passed.members))
	each := (passed.gasUsed + n - 1) / n
	for _, p := range passed.members {
		g.gasPer[p.message.TypeUrl] = each
	}
}

// gasAbout returns the gas that a message asks for as far as is known, 0 if nothing is.
func (g *signer) gasAbout(p *pending) uint64 {
	gas, err := gasLimit(g.gasPer[p.message.TypeUrl], g.GasAdjustment*p.gas)
	if err != nil { // nothing is known
		return 0
	}
	return gas
}
