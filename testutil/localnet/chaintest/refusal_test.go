package chaintest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"cosmossdk.io/math"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"google.golang.org/grpc/codes"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/chain/tx"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/faultnode"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// readTx decodes a transaction.
func readTx(txBytes []byte) (body txtypes.TxBody, auth txtypes.AuthInfo, err error) {
	var raw txtypes.TxRaw
	err = raw.Unmarshal(txBytes)
	return body, auth, errors.Join(err, body.Unmarshal(raw.BodyBytes), auth.Unmarshal(raw.AuthInfoBytes))
}

// unordered reports whether a call broadcasts, simulates or explains an unordered
// transaction.
func unordered(call *faultnode.Call) bool {
	txBytes, err := call.Tx()
	if call.Method == "abci_query" {
		var params struct{ Data string }
		err = json.Unmarshal(call.Body, &params)
		if err == nil {
			txBytes, err = hex.DecodeString(params.Data)
		}
	}
	body, _, unread := readTx(txBytes)
	return err == nil && unread == nil && body.Unordered
}

// refuseUnordered makes a node answer as one of a chain without unordered transactions
// does (cosmos-sdk: x/auth/ante, SigVerificationDecorator).
func refuseUnordered(t *testing.T, door *faultnode.Proxy) {
	t.Helper()
	const words = "unordered transactions are not enabled: feature not supported"
	code := sdkerrors.ErrNotSupported.ABCICode()
	explain := faultnode.FaultFunc(func(ctx context.Context, call *faultnode.Call, next faultnode.Handler) *faultnode.Answer {
		answer := next(ctx, call)
		var reply map[string]any
		if answer == nil || json.Unmarshal(answer.Body, &reply) != nil {
			return answer
		}
		reply["result"] = map[string]any{"response": map[string]any{"code": code, "codespace": "sdk", "log": words}}
		if bz, err := json.Marshal(reply); err == nil {
			answer.Body = bz
		}
		return answer
	})
	for _, rule := range []faultnode.Rule{
		{Methods: []string{"cosmos.tx.v1beta1.Service/Simulate"}, When: unordered, Fault: faultnode.RejectGRPC(codes.Unknown, words)},
		{Methods: []string{"broadcast_tx_sync"}, When: unordered, Fault: faultnode.RefuseTx("sdk", code, words)},
		{Methods: []string{"abci_query"}, When: unordered, Fault: explain},
	} {
		if _, err := door.Add(rule); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSubmitter_UsesSequencesWhereTheChainRefusesUnorderedTransactions(t *testing.T) {
	network := start(t, localnet.Config{BlockTime: 500 * time.Millisecond})
	door := startDoor(t, network)
	refuseUnordered(t, door)
	b := newBenchOn(t, network, dialDoors(t, network, door))
	s := b.submitter(tx.Options{MaxMessages: 3})
	signer := b.network.Suppliers[0].OperatorAddress
	var messages []*transfer
	var outs []<-chan relayer.Outcome
	for range 3 {
		for range 8 {
			m := b.transfer(signer, 3, 60)
			messages = append(messages, m)
			outs = append(outs, b.submit(s, m))
		}
		b.passes(1)
	}
	for i, out := range outs {
		if o := b.outcome(out); o.State != relayer.InForce {
			t.Fatalf("outcome %+v of %+v", o, messages[i].all())
		}
	}
	b.passes(2)
	numbers := make(map[uint64]string)
	for _, m := range messages {
		b.tookEffect(m, 1)
		for _, a := range m.all() {
			if other, ok := numbers[a.Sequence]; a.Included > 0 && ok && other != a.Hash {
				t.Errorf("sequence %d is that of two transactions", a.Sequence)
			}
			numbers[a.Sequence] = a.Hash
			if !a.Ordered {
				t.Errorf("attempt %+v", a)
			}
		}
	}
	stats := s.Stats()
	t.Logf("%+v", stats)
	if stats.Unordered != 0 || stats.IncludedFailed != 0 || len(numbers) < 9 {
		t.Errorf("%+v, %d sequences", stats, len(numbers))
	}
}

func TestSubmitter_PriceThatIsRaisedWhileATransactionWaitsIsPaidUpToTheLimit(t *testing.T) {
	const gasPrice = "0.001upokt"
	for _, test := range []struct {
		name     string
		demanded string // upokt per unit of gas
		want     relayer.OutcomeState
	}{
		{"within the limit", "0.0012", relayer.InForce},
		{"beyond the limit", "0.1", relayer.Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			network := start(t, localnet.Config{BlockTime: 500 * time.Millisecond})
			door := startDoor(t, network)
			cheap := func(call *faultnode.Call) bool {
				txBytes, err := call.Tx()
				_, auth, unread := readTx(txBytes)
				if err != nil || unread != nil {
					return false
				}
				least := math.LegacyMustNewDecFromStr(test.demanded).MulInt64(int64(auth.Fee.GasLimit))
				return math.LegacyNewDecFromInt(auth.Fee.Amount.AmountOf(chain.Denom)).LT(least)
			}
			for _, rule := range []faultnode.Rule{
				// The first is in the mempool until the price is raised, and then evicted.
				{Methods: []string{"broadcast_tx_sync"}, First: 1, Fault: faultnode.Swallow()},
				{Methods: []string{"broadcast_tx_sync"}, When: cheap, Fault: faultnode.RefuseTx("sdk", 13, "insufficient fee")},
			} {
				if _, err := door.Add(rule); err != nil {
					t.Fatal(err)
				}
			}
			b := newBenchOn(t, network, dialDoors(t, network, door))
			s := b.submitter(tx.Options{GasPrices: gasPrice, MaxGasPrices: "0.002upokt"})
			m := b.transfer(b.network.Suppliers[0].OperatorAddress, 3, 12)
			o := b.outcome(b.submit(s, m))
			if o.State != test.want {
				t.Fatalf("outcome %+v of %+v", o, m.all())
			}
			if test.want == relayer.Failed && !errors.Is(o.Err, sdkerrors.ErrInsufficientFee) {
				t.Errorf("reason is %v", o.Err)
			}
			t.Logf("%+v", s.Stats())
		})
	}
}

func TestSubmitter_KeepsWithinTheLimitsOfTheNode(t *testing.T) {
	b := newBench(t, localnet.Config{MaxBlockGas: 2_000_000, MaxRPCBodyBytes: 2500, BlockTime: 300 * time.Millisecond})
	limits, err := b.node.BlockLimits(b.ctx)
	if err != nil || limits.Gas != 2_000_000 || limits.Bytes == 0 {
		t.Fatalf("limits are %+v, %v", limits, err)
	}
	s := b.submitter(tx.Options{Linger: 300 * time.Millisecond})
	signer := b.network.Suppliers[0].OperatorAddress
	send := func() {
		var messages []*transfer
		var outs []<-chan relayer.Outcome
		for range 60 {
			m := b.transfer(signer, 3, 60)
			messages = append(messages, m)
			outs = append(outs, b.submit(s, m))
		}
		for i, out := range outs {
			if o := b.outcome(out); o.State != relayer.InForce {
				t.Fatalf("outcome %+v", o)
			}
			b.tookEffect(messages[i], 1)
		}
	}
	// A refusal tells what is too large, not what is not: it may take two to learn.
	send()
	send()
	learned := s.Stats()
	send()
	stats := s.Stats()
	t.Logf("%+v, then %+v", learned, stats)
	if learned.Failures[tx.Failure{Codespace: "sdk", Code: 21}] == 0 || stats.Refused != learned.Refused {
		t.Errorf("refusals for the size are not learned from")
	}
	if stats.Failures[tx.Failure{Codespace: "sdk", Code: 41}] != 0 {
		t.Errorf("%d transactions had more gas than a block", stats.Failures[tx.Failure{Codespace: "sdk", Code: 41}])
	}
}

func TestExplain_TellsTheCodeOfARefusal(t *testing.T) {
	b := newBench(t, localnet.Config{})
	s := b.submitter(tx.Options{})
	m := b.transfer(b.network.Suppliers[0].OperatorAddress, 3, 8)
	if o := b.outcome(b.submit(s, m)); o.State != relayer.InForce {
		t.Fatalf("outcome %+v", o)
	}
	b.passes(10)
	refusal, err := b.node.Explain(b.ctx, m.sent[0])
	if err != nil || !errors.Is(refusal, sdkerrors.ErrTxTimeoutHeight) {
		t.Errorf("got %v, %v", refusal, err)
	}
}
