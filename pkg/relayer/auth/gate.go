package auth

import (
	"context"
	"sync/atomic"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// waitingPerCore is how many verifications may wait for each core. By the
// reference, whose verification of a ring of two takes some 0.9 ms, the last of
// them waits about a tenth of a second.
const waitingPerCore = 128

// gate lets as many verifications run at a time as there are cores, since more
// would only slow each other down, and a bounded number wait. Beyond that it
// refuses at once: the caller can take its relay elsewhere while there is time.
type gate struct {
	running chan struct{} // holds a value for each that runs
	most    int64         // that run or wait
	inside  atomic.Int64  // that run or wait now

	entered, refused atomic.Uint64
}

// newGate returns a gate for the number of cores that Go uses.
func newGate() *gate {
	cores := async.Cores()
	return &gate{running: make(chan struct{}, cores), most: int64(cores * (1 + waitingPerCore))}
}

// enter waits for its turn. The caller calls leave when it is done, unless there
// is an error: relayer.ErrRequestLimit when too many wait already, or that of ctx.
func (g *gate) enter(ctx context.Context) error {
	if g.inside.Add(1) > g.most {
		g.inside.Add(-1)
		g.refused.Add(1)
		return relayer.ErrRequestLimit.Wrapf("too many requests wait to be verified")
	}
	select {
	case g.running <- struct{}{}:
		g.entered.Add(1)
		return nil
	case <-ctx.Done():
		g.inside.Add(-1)
		return relayer.ErrInternal.Wrapf("waiting to be verified: %w", ctx.Err())
	}
}

// leave lets the next one in.
func (g *gate) leave() {
	<-g.running
	g.inside.Add(-1)
}
