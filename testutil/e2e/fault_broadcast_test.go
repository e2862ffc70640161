package e2e

import (
	"context"
	"math/big"
	"net/http"

	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"

	"github.com/seed52205347/relayminer/testutil/faultnode"
)

// Methods of the node.
const (
	broadcastMethod = "broadcast_tx_sync"
	simulateMethod  = "cosmos.tx.v1beta1.Service/Simulate"
	claimMethod     = "pocket.proof.Query/Claim"
)

// internalError is the JSON-RPC code of a node's own errors.
const internalError = -32603

func carriesClaim(call *faultnode.Call) bool { return call.Carries("MsgCreateClaim") }
func carriesProof(call *faultnode.Call) bool { return call.Carries("MsgSubmitProof") }

// forBoth puts a rule in force for transactions with claims, and one for those
// with proofs.
func (tr *trial) forBoth(rule faultnode.Rule, fault func() faultnode.Fault) {
	tr.t.Helper()
	for _, when := range []func(*faultnode.Call) bool{carriesClaim, carriesProof} {
		rule.When, rule.Fault = when, fault()
		tr.rule(rule)
	}
}

// broadcasts is trouble with the first broadcasts of claims and of proofs; with
// all of them if first is 0.
func broadcasts(first int, fault func() faultnode.Fault) func(*trial) {
	return func(tr *trial) {
		tr.forBoth(faultnode.Rule{Methods: []string{broadcastMethod}, First: first}, fault)
	}
}

// broadcastsFor is trouble with all broadcasts in the first blocks of each window.
func broadcastsFor(blocks int64, fault func() faultnode.Fault) func(*trial) {
	return func(tr *trial) {
		tr.inWindows(blocks, func() func() {
			return tr.rule(faultnode.Rule{Methods: []string{broadcastMethod}, Fault: fault()}).Remove
		})
	}
}

// broadcastScenarios are about transactions that get lost on the way, or arrive
// more than once.
func broadcastScenarios() []scenario {
	return []scenario{
		{name: "broadcast-lost-once", trouble: broadcasts(1, faultnode.Drop)},
		{name: "broadcast-lost-three-times", trouble: broadcasts(3, faultnode.Drop)},
		{name: "broadcast-answer-lost-once", trouble: broadcasts(1, faultnode.LoseAnswer)},
		{name: "broadcast-answer-always-lost", core: true, suppliers: 2, trouble: broadcasts(0, faultnode.LoseAnswer)},
		{name: "broadcast-connection-cut", trouble: broadcasts(2, faultnode.Cut)},
		{name: "broadcast-duplicated", apps: 2, trouble: broadcasts(0, faultnode.Duplicate)},
		{name: "broadcast-reordered", suppliers: 2, trouble: broadcasts(2, func() faultnode.Fault { return faultnode.Reorder(1) })},
		{name: "broadcast-swallowed-for-blocks", core: true, apps: 2, trouble: broadcastsFor(3, faultnode.Swallow)},
		{name: "broadcast-answered-503-for-blocks", trouble: broadcastsFor(3, func() faultnode.Fault {
			return faultnode.RejectHTTP(http.StatusServiceUnavailable, "no upstream")
		})},
	}
}

// refusalScenarios are about nodes that do not take transactions.
func refusalScenarios() []scenario {
	return []scenario{
		{name: "mempool-full-for-blocks", core: true, suppliers: 2, trouble: broadcastsFor(3, func() faultnode.Fault {
			return faultnode.RejectRPC(internalError, "Internal error",
				"mempool is full: number of txs 5000 (max: 5000), total txs bytes 1 (max: 1073741824)")
		})},
		{name: "mempool-full-by-code-for-blocks", trouble: broadcastsFor(3, func() faultnode.Fault {
			return faultnode.RefuseTx("sdk", 20, "mempool is full")
		})},
		{name: "fee-too-low-until-raised", gasPrices: "0.001upokt", trouble: feeTooLow},
		{name: "tx-too-large-unless-alone", apps: 3, trouble: tooLargeUnlessAlone},
		{name: "signature-refused-once", trouble: broadcasts(1, func() faultnode.Fault {
			return faultnode.RefuseTx("sdk", 4, "signature verification failed")
		})},
		{name: "refused-twice-for-no-reason", trouble: broadcasts(2, func() faultnode.Fault {
			return faultnode.RefuseTx("undefined", 1, "internal")
		})},
	}
}

// feeTooLow is a node that demands twice the price that the relay miner pays.
func feeTooLow(tr *trial) {
	tr.rule(faultnode.Rule{
		Methods: []string{broadcastMethod},
		When:    func(call *faultnode.Call) bool { return gasPrice(call).Cmp(big.NewRat(2, 1000)) < 0 },
		Fault:   faultnode.RefuseTx("sdk", 13, "insufficient fee"),
	})
	tr.rule(faultnode.Rule{
		Methods: []string{"cosmos.base.node.v1beta1.Service/Config"},
		Fault: faultnode.FaultFunc(func(context.Context, *faultnode.Call, faultnode.Handler) *faultnode.Answer {
			body, err := (&nodeservice.ConfigResponse{MinimumGasPrice: "0.002upokt"}).Marshal()
			return &faultnode.Answer{Body: body, Err: err}
		}),
	})
}

// gasPrice returns what the transaction of a call pays per unit of gas, in upokt.
func gasPrice(call *faultnode.Call) *big.Rat {
	txBytes, err := call.Tx()
	if err != nil {
		return new(big.Rat)
	}
	var tx txtypes.TxRaw
	var auth txtypes.AuthInfo
	if tx.Unmarshal(txBytes) != nil || auth.Unmarshal(tx.AuthInfoBytes) != nil || auth.Fee.GasLimit == 0 {
		return new(big.Rat)
	}
	fee := auth.Fee.Amount.AmountOf("upokt").BigInt()
	return new(big.Rat).SetFrac(fee, new(big.Int).SetUint64(auth.Fee.GasLimit))
}

// tooLargeUnlessAlone is a node that takes transactions of one message only.
func tooLargeUnlessAlone(tr *trial) {
	tr.rule(faultnode.Rule{
		Methods: []string{broadcastMethod},
		When:    func(call *faultnode.Call) bool { return len(call.Messages()) > 1 },
		Fault: faultnode.RejectRPC(internalError, "Internal error",
			"Tx too large. Max size is 1048576, but got 1048577"),
	})
}
