package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/testutil/faultnode"
)

// A relay miner that cannot reach its node, or is led to another chain, does not
// start, says why, and leaves nothing behind that is in the way of the next start.
func TestFaults_AtTheStartAreToldAndLeaveNothingBehind(t *testing.T) {
	needAllFaults(t)
	t.Parallel()
	w := newFaultWorld(t, []scenario{{name: "start"}})
	for _, tc := range []struct {
		name  string
		begin func(*trial) (end func())
		want  error
		names func(*trial) string // what the error must name
	}{
		{"rpc refused", func(tr *trial) func() { return tr.refuse(tr.node.RPC) }, chain.ErrUnreachable, rpcAddress},
		{"grpc refused", func(tr *trial) func() { return tr.refuse(tr.node.GRPC) }, chain.ErrUnreachable, grpcAddress},
		{"frozen", (*trial).freeze, chain.ErrUnreachable, grpcAddress},
		{"rpc of another chain", foreignChain(faultnode.RPC), chain.ErrWrongChainID, rpcAddress},
		{"grpc of another chain", foreignChain(faultnode.GRPC), chain.ErrWrongChainID, grpcAddress},
		{"no blocks", func(tr *trial) func() {
			return tr.rule(faultnode.Rule{
				Methods: []string{"abci_info", "subscribe"}, Fault: faultnode.RejectRPC(internalError, "Internal error", "not ready"),
			}).Remove
		}, context.DeadlineExceeded, func(*trial) string { return "no block arrived" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTrial(t, w, 0, scenario{})
			tr.vacate()
			options := tr.options()
			end := tc.begin(tr)
			ctx, cancel := context.WithTimeout(tr.ctx, 10*faultCallTimeout)
			defer cancel()
			miner, err := cli.New(ctx, options)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it starts"), miner.Stop(tr.ctx)))
			}
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.names(tr)) {
				t.Errorf("the reason is %v, want %v, and %s named", err, tc.want, tc.names(tr))
			}
			end()
			if miner, err = cli.New(tr.ctx, options); err != nil {
				t.Fatalf("when the trouble is over: %v", err)
			}
			err = miner.Start(tr.ctx)
			if err = errors.Join(err, miner.Stop(tr.ctx)); err != nil {
				t.Errorf("when the trouble is over: %v", err)
			}
		})
	}
}

func rpcAddress(tr *trial) string  { return strings.TrimPrefix(tr.node.RPCURL, "tcp://") }
func grpcAddress(tr *trial) string { return tr.node.GRPCURL }

// foreignChain makes one of the node's servers answer for another chain.
func foreignChain(protocol faultnode.Protocol) func(*trial) func() {
	return func(tr *trial) func() {
		return tr.rule(faultnode.Rule{Protocol: protocol, Fault: faultnode.ChainID(tr.w.net.ChainID, "pocket-beta")}).Remove
	}
}
