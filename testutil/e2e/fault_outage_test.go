package e2e

import (
	"github.com/seed52205347/relayminer/testutil/faultnode"
)

// refuse makes the node refuse connections at doors, and returns what ends it.
func (tr *trial) refuse(doors ...*faultnode.Door) func() {
	for _, door := range doors {
		door.Refuse()
	}
	return func() {
		for _, door := range doors {
			if err := door.Admit(); err != nil {
				tr.t.Error(err)
			}
		}
	}
}

// freeze makes the whole node freeze, and returns what ends it.
func (tr *trial) freeze() func() {
	tr.node.RPC.Freeze()
	tr.node.GRPC.Freeze()
	return func() {
		tr.node.RPC.Thaw()
		tr.node.GRPC.Thaw()
	}
}

// outageScenarios are about nodes that are not there for some blocks.
func outageScenarios() []scenario {
	return []scenario{
		{name: "grpc-refused-in-claim-window", apps: 2, trouble: func(tr *trial) {
			tr.inWindow(tr.claimOpen, 3, func() func() { return tr.refuse(tr.node.GRPC) })
		}},
		{name: "grpc-refused-in-proof-window", apps: 2, trouble: func(tr *trial) {
			tr.inWindow(tr.proofOpen, 3, func() func() { return tr.refuse(tr.node.GRPC) })
		}},
		{name: "rpc-refused-in-both-windows", trouble: func(tr *trial) {
			tr.inWindows(3, func() func() { return tr.refuse(tr.node.RPC) })
		}},
		{name: "node-refused-in-both-windows", core: true, suppliers: 2, trouble: func(tr *trial) {
			tr.inWindows(3, func() func() { return tr.refuse(tr.node.RPC, tr.node.GRPC) })
		}},
		{name: "node-frozen-in-claim-window", trouble: func(tr *trial) {
			tr.inWindow(tr.claimOpen, 3, tr.freeze)
		}},
		{name: "node-frozen-in-proof-window", trouble: func(tr *trial) {
			tr.inWindow(tr.proofOpen, 3, tr.freeze)
		}},
		{name: "grpc-frozen-in-both-windows", trouble: func(tr *trial) {
			tr.inWindows(3, func() func() { tr.node.GRPC.Freeze(); return tr.node.GRPC.Thaw })
		}},
		{name: "grpc-refused-at-the-settlement", trouble: func(tr *trial) {
			tr.inWindow(tr.proofClose-1, 5, func() func() { return tr.refuse(tr.node.GRPC) })
		}},
		{name: "connections-cut-at-every-block", trouble: func(tr *trial) {
			for height := tr.claimOpen - 1; height < tr.proofClose; height++ {
				tr.at(height)
				tr.node.RPC.Cut()
				tr.node.GRPC.Cut()
			}
		}},
	}
}

// hopelessScenarios are those in which nothing can land. What is left is to say
// so, and to lose no more than must be.
func hopelessScenarios() []scenario {
	return []scenario{
		{name: "node-frozen-over-the-claim-window", end: missed, trouble: func(tr *trial) {
			tr.inWindow(tr.claimOpen, faultWindow+2, tr.freeze)
		}},
		{name: "claims-swallowed", core: true, end: missed, trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Methods: []string{broadcastMethod}, Fault: faultnode.Swallow()})
		}},
		{name: "claims-refused", apps: 2, end: missed, trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Methods: []string{broadcastMethod}, Fault: faultnode.RefuseTx("sdk", 5, "insufficient funds")})
		}},
		{name: "proofs-lost", core: true, end: slashed, trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Methods: []string{broadcastMethod}, When: carriesProof, Fault: faultnode.Drop()})
		}},
		{name: "grpc-refused-over-the-proof-window", end: slashed, trouble: func(tr *trial) {
			tr.inWindow(tr.proofOpen, faultWindow+2, func() func() { return tr.refuse(tr.node.GRPC) })
		}},
	}
}
