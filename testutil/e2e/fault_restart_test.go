package e2e

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/testutil/faultnode"
)

// A node that is started again has an empty mempool: what it has taken and not
// included is gone. It is stopped at the worst moment, when it has just said that
// it took a transaction.
func TestFaults_NodeRestartedWithATransactionInItsMempool(t *testing.T) {
	needAllFaults(t)
	t.Parallel()
	scenarios := []scenario{
		{name: "with-the-claim", apps: 2, trouble: func(tr *trial) { tr.restartWith(carriesClaim) }},
		{name: "with-the-proof", apps: 2, trouble: func(tr *trial) { tr.restartWith(carriesProof) }},
	}
	w := newFaultWorld(t, scenarios)
	for i, s := range scenarios { // one after the other: they stop the chain
		t.Run(s.name, func(t *testing.T) { newTrial(t, w, i, s).run(func() {}) })
	}
}

// restartWith stops the node when it has taken a transaction, and starts it again
// when the relay miner has felt it.
func (tr *trial) restartWith(carries func(*faultnode.Call) bool) {
	tr.t.Helper()
	taken := make(chan struct{})
	once := sync.OnceFunc(func() { close(taken) })
	tr.rule(faultnode.Rule{
		Methods: []string{broadcastMethod},
		When:    carries,
		Fault: faultnode.FaultFunc(func(ctx context.Context, call *faultnode.Call, next faultnode.Handler) *faultnode.Answer {
			answer := next(ctx, call)
			once()
			return answer
		}),
	})
	select {
	case <-taken:
	case <-tr.ctx.Done():
		tr.t.Fatal("no transaction was broadcast")
	}
	tr.within("stop of the node", tr.w.net.StopNode)
	const poll = "abci_info" // what the relay miner asks when it hears of no block
	tr.within("poll of the relay miner", func() error {
		return tr.node.AwaitCalls(tr.ctx, poll, tr.node.Calls(poll)+2)
	})
	tr.within("start of the node", tr.w.net.StartNode)
}

// within calls do, and ends the process with all its goroutines' stacks if that
// takes longer than anything that works: a node that does not stop cannot be
// cleaned up after.
func (tr *trial) within(what string, do func() error) {
	tr.t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			tr.t.Fatalf("%s: %v", what, err)
		}
	case <-timer.C:
		err := pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		panic(fmt.Sprintf("%s: %s is not done after %v; stacks are above (%v)", tr.t.Name(), what, patience, err))
	}
}
