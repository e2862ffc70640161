package e2e

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/seed52205347/relayminer/testutil/faultnode"
)

// simulations is trouble with the first simulations of claims and of proofs.
func simulations(first int, fault func() faultnode.Fault) func(*trial) {
	return func(tr *trial) {
		tr.forBoth(faultnode.Rule{Methods: []string{simulateMethod}, First: first}, fault)
	}
}

// simulationScenarios are about simulations that tell nothing, or late.
func simulationScenarios() []scenario {
	return []scenario{
		{name: "simulation-unavailable", core: true, apps: 2, trouble: simulations(5, faultnode.Fail)},
		{name: "simulation-refused-twice", apps: 2, trouble: simulations(2, func() faultnode.Fault {
			return faultnode.RejectGRPC(codes.Unknown, "claim window is not open: with gas used: '1'")
		})},
		{name: "simulation-slow", trouble: simulations(0, func() faultnode.Fault {
			return faultnode.Delay(faultCallTimeout * 6 / 10)
		})},
		{name: "simulation-beyond-patience", trouble: simulations(2, func() faultnode.Fault {
			return faultnode.Delay(2 * faultCallTimeout)
		})},
		{name: "simulation-overloaded", trouble: simulations(3, func() faultnode.Fault {
			return faultnode.RejectGRPC(codes.ResourceExhausted, "too many requests")
		})},
	}
}

// failing is trouble with all calls of methods in the first blocks of each window.
func failing(blocks int64, fault func() faultnode.Fault, methods ...string) func(*trial) {
	return func(tr *trial) {
		tr.inWindows(blocks, func() func() {
			return tr.rule(faultnode.Rule{Methods: methods, Fault: fault()}).Remove
		})
	}
}

// from is trouble with all calls of methods from the start on.
func from(fault func(*trial) faultnode.Fault, methods ...string) func(*trial) {
	return func(tr *trial) { tr.rule(faultnode.Rule{Methods: methods, Fault: fault(tr)}) }
}

// queryScenarios are about questions that are not answered.
func queryScenarios() []scenario {
	return []scenario{
		{name: "claim-query-unavailable", apps: 2, trouble: failing(3, faultnode.Fail, claimMethod)},
		{name: "claim-query-slow", trouble: failing(faultWindow, func() faultnode.Fault {
			return faultnode.Delay(faultCallTimeout * 6 / 10)
		}, claimMethod)},
		{name: "account-query-unavailable", trouble: func(tr *trial) {
			tr.rule(faultnode.Rule{Methods: []string{"cosmos.auth.v1beta1.Query/Account"}, First: 6, Fault: faultnode.Fail()})
		}},
		{name: "parameters-unavailable", trouble: failing(3, faultnode.Fail,
			"pocket.shared.Query/*", "pocket.proof.Query/Params", "pocket.service.Query/*")},
		{name: "block-queries-failing", trouble: func(tr *trial) {
			// Without events, so that blocks must be asked for.
			tr.inWindows(4, func() func() {
				tr.node.CutWebSockets()
				failing := tr.rule(faultnode.Rule{
					Methods: []string{"header", "block", "blockchain", "abci_info", "status", "subscribe"}, Fault: faultnode.Fail(),
				})
				return failing.Remove
			})
		}},
		{name: "block-results-failing-at-settlement", trouble: func(tr *trial) {
			tr.at(tr.proofClose - 2)
			failing := tr.rule(faultnode.Rule{Methods: []string{"block_results"}, Fault: faultnode.Fail()})
			tr.at(tr.proofClose + 3)
			failing.Remove()
		}},
		{name: "transactions-not-indexed", apps: 2, always: from(func(*trial) faultnode.Fault {
			return faultnode.RejectRPC(internalError, "Internal error", "transaction indexing is disabled")
		}, "tx"), trouble: broadcasts(2, faultnode.Drop)},
		{name: "transaction-lookup-silent", always: from(func(*trial) faultnode.Fault {
			return faultnode.Drop()
		}, "tx"), trouble: broadcasts(2, faultnode.Drop)},
		{name: "block-lookups-silent", apps: 3, trouble: func(tr *trial) {
			broadcasts(1, faultnode.Drop)(tr)
			tr.rule(faultnode.Rule{Methods: []string{"tx", "block"}, Fault: faultnode.Drop()})
		}},
		{name: "blocks-and-transactions-not-to-be-had", trouble: func(tr *trial) {
			broadcasts(2, faultnode.Drop)(tr)
			tr.rule(faultnode.Rule{Methods: []string{"tx", "block"}, Fault: faultnode.Fail()})
		}},
		// A node that has just been started has no state to answer from before its
		// first block, and says so like this (cosmos-sdk: baseapp, CreateQueryContext).
		{name: "state-not-ready-for-blocks", core: true, apps: 2, trouble: func(tr *trial) {
			tr.inWindows(3, func() func() {
				return tr.rule(faultnode.Rule{Protocol: faultnode.GRPC, Fault: faultnode.RejectGRPC(codes.Unknown,
					"codespace sdk code 26: invalid height: context did not contain latest block height")}).Remove
			})
		}},
		{name: "grpc-headers-dropped", always: func(tr *trial) {
			tr.rule(faultnode.Rule{Protocol: faultnode.GRPC, Fault: faultnode.FaultFunc(withoutHeader)})
		}},
		{name: "a-quarter-of-rpc-answers-a-web-page", sessions: 2, always: func(tr *trial) {
			tr.rule(faultnode.Rule{Protocol: faultnode.RPC, Chance: 0.25, Seed: 3, Fault: faultnode.RejectHTTP(http.StatusOK, "<html>")})
		}},
		{name: "latency-on-every-call", sessions: 2, always: from(func(*trial) faultnode.Fault {
			return faultnode.Delay(200 * time.Millisecond)
		}, "*")},
		{name: "a-fifth-of-all-calls-failing", sessions: 3, suppliers: 2, always: func(tr *trial) {
			tr.rule(faultnode.Rule{Chance: 0.2, Seed: 5, Fault: faultnode.Fail()})
		}},
		{name: "everything-at-once", sessions: 3, apps: 2, suppliers: 2, always: everythingAtOnce},
		{name: "every-call-duplicated", apps: 2, sessions: 2, always: from(func(*trial) faultnode.Fault {
			return faultnode.Duplicate()
		}, "*")},
	}
}

// withoutHeader answers as a proxy does that knows nothing of the chain's headers.
func withoutHeader(ctx context.Context, call *faultnode.Call, next faultnode.Handler) *faultnode.Answer {
	answer := next(ctx, call)
	if answer != nil {
		answer.Header = nil
	}
	return answer
}

// everythingAtOnce is a little of all troubles, all the time.
func everythingAtOnce(tr *trial) {
	for i, fault := range []faultnode.Fault{
		faultnode.Fail(), faultnode.Drop(), faultnode.LoseAnswer(), faultnode.Cut(), faultnode.Duplicate(),
		faultnode.Delay(faultCallTimeout / 4), faultnode.Reorder(1), tr.node.Lag(1),
	} {
		tr.rule(faultnode.Rule{Chance: 0.04, Seed: uint64(i), Fault: fault})
	}
}
