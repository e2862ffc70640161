package e2e

import (
	"github.com/seed52205347/relayminer/testutil/faultnode"
)

// streamScenarios are about the event stream, and about nodes that are behind.
func streamScenarios() []scenario {
	return []scenario{
		{name: "events-silent-and-back", trouble: silentAndBack},
		{name: "events-refused", always: from(func(*trial) faultnode.Fault {
			return faultnode.RejectRPC(internalError, "Internal error", "max_subscriptions_per_client 5 reached")
		}, "subscribe")},
		{name: "subscription-lost", core: true, always: func(tr *trial) {
			tr.rule(faultnode.Rule{Methods: []string{"subscribe"}, First: 1, Fault: faultnode.Drop()})
		}, trouble: func(tr *trial) {
			tr.within("second subscription", func() error { return tr.node.AwaitCalls(tr.ctx, "subscribe", 2) })
		}},
		{name: "websocket-cut-at-every-block", trouble: func(tr *trial) {
			cuts := 0
			for height := tr.claimOpen - 1; height < tr.proofClose; height++ {
				tr.at(height)
				cuts += tr.node.CutWebSockets()
			}
			if cuts < 3 {
				tr.t.Errorf("%d websockets were cut: the scenario did not happen", cuts)
			}
		}},
		{name: "events-duplicated-and-reordered", trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Methods: []string{faultnode.Event}, Fault: faultnode.Duplicate()})
			tr.rule(faultnode.Rule{Methods: []string{faultnode.Event}, Fault: faultnode.Reorder(2)})
		}},
		{name: "every-third-event-lost", trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Methods: []string{faultnode.Event}, Every: 3, Fault: faultnode.Drop()})
		}},
		{name: "grpc-lags-by-two-blocks", apps: 2, trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Protocol: faultnode.GRPC, Fault: tr.node.Lag(2)})
		}},
		{name: "one-of-two-grpc-servers-lags", apps: 2, trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Protocol: faultnode.GRPC, Every: 2, Fault: tr.node.Lag(2)})
		}},
		{name: "rpc-lags-by-two-blocks", trouble: func(tr *trial) {
			lag := tr.node.Lag(2)
			tr.rule(faultnode.Rule{Protocol: faultnode.RPC, Fault: lag})
			tr.rule(faultnode.Rule{Methods: []string{faultnode.Event}, Fault: lag})
		}},
		{name: "node-lags-by-two-blocks", trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Fault: tr.node.Lag(2)})
		}},
	}
}

// silentAndBack is an event stream without a word from before the claim window
// into the proof window. The relay miner must poll meanwhile, and stop polling
// when the stream speaks again.
func silentAndBack(tr *trial) {
	const poll = "abci_info" // what the relay miner asks when it hears nothing
	silence := tr.rule(faultnode.Rule{Methods: []string{faultnode.Event}, Fault: faultnode.Drop()})
	before := tr.node.Calls(poll)
	tr.at(tr.proofOpen)
	if polls := tr.node.Calls(poll) - before; polls < 2 {
		tr.t.Errorf("%d polls in the silence", polls)
	}
	silence.Remove()
	if err := tr.node.AwaitCalls(tr.ctx, faultnode.Event, tr.node.Calls(faultnode.Event)+1); err != nil {
		tr.t.Fatal(err)
	}
	const quiet = 3 // blocks
	for from := tr.w.net.Height(); from < tr.proofClose; from++ {
		polls := tr.node.Calls(poll)
		tr.at(from + quiet)
		if tr.node.Calls(poll) == polls {
			return
		}
	}
	tr.t.Error("it goes on polling though the stream speaks")
}
