package chain

import (
	"errors"
	"reflect"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// emitted returns an event as the chain emits it in a mode of execution.
func emitted(t testing.TB, message proto.Message, mode string) abci.Event {
	t.Helper()
	event, err := cosmostypes.TypedEventToEvent(message)
	if err != nil {
		t.Fatal(err)
	}
	abciEvent := abci.Event(event)
	abciEvent.Attributes = append(abciEvent.Attributes, abci.EventAttribute{Key: "mode", Value: mode})
	return abciEvent
}

func TestClaimEvents_SayWhatTheChainSays(t *testing.T) {
	for _, test := range []struct {
		message proto.Message
		want    relayer.ClaimEvent
	}{
		{
			&prooftypes.EventClaimCreated{
				NumRelays: 3, NumClaimedComputeUnits: 300, ClaimedUpokt: "12600upokt", ServiceId: "svc",
				ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40,
			},
			relayer.ClaimEvent{Kind: relayer.ClaimCreated, NumRelays: 3, ComputeUnits: 300, ClaimedUpokt: "12600upokt"},
		},
		{
			&prooftypes.EventClaimUpdated{ServiceId: "svc", ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40},
			relayer.ClaimEvent{Kind: relayer.ClaimUpdated},
		},
		{
			&prooftypes.EventProofSubmitted{NumRelays: 1, ServiceId: "svc", ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40},
			relayer.ClaimEvent{Kind: relayer.ProofSubmitted, NumRelays: 1},
		},
		{
			&prooftypes.EventProofUpdated{ServiceId: "svc", ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40},
			relayer.ClaimEvent{Kind: relayer.ProofSubmitted},
		},
		{
			&prooftypes.EventProofValidityChecked{
				FailureReason: `bad "path"`, ServiceId: "svc", ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40,
			},
			relayer.ClaimEvent{Kind: relayer.ProofChecked, Reason: `bad "path"`},
		},
		{
			&tokenomicstypes.EventClaimSettled{
				NumRelays: 1 << 60, SettledUpokt: "5upokt", SessionId: "id", ServiceId: "svc",
				ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40,
			},
			relayer.ClaimEvent{Kind: relayer.ClaimSettled, NumRelays: 1 << 60, SettledUpokt: "5upokt", SessionID: "id"},
		},
		{
			&tokenomicstypes.EventClaimExpired{
				ExpirationReason: tokenomicstypes.ClaimExpirationReason_PROOF_MISSING, ServiceId: "svc",
				ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40,
			},
			relayer.ClaimEvent{Kind: relayer.ClaimExpired, Reason: "PROOF_MISSING"},
		},
		{
			&tokenomicstypes.EventClaimDiscarded{
				Error: "panic", ServiceId: "svc", ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40,
			},
			relayer.ClaimEvent{Kind: relayer.ClaimDiscarded, Reason: "panic"},
		},
		{
			&tokenomicstypes.EventSupplierSlashed{
				ProofMissingPenalty: "320upokt", ServiceId: "svc", ApplicationAddress: "app", SupplierOperatorAddress: "sup", SessionEndBlockHeight: 40,
			},
			relayer.ClaimEvent{Kind: relayer.SupplierSlashed, SlashedUpokt: "320upokt", Reason: "penalty 320upokt"},
		},
		{
			&tokenomicstypes.EventApplicationOverserviced{
				ExpectedBurn: "9upokt", EffectiveBurn: "4upokt", ServiceId: "svc",
				ApplicationAddr: "app", SupplierOperatorAddr: "sup", SessionEndBlockHeight: 40,
			},
			relayer.ClaimEvent{Kind: relayer.AppOverserviced, ClaimedUpokt: "9upokt", SettledUpokt: "4upokt"},
		},
	} {
		test.want.Supplier, test.want.Application, test.want.ServiceID, test.want.SessionEnd = "sup", "app", "svc", 40
		results := &ctypes.ResultBlockResults{FinalizeBlockEvents: []abci.Event{emitted(t, test.message, "EndBlock")}}
		events, err := claimEvents(results)
		if err != nil || len(events) != 1 || events[0] != test.want {
			t.Errorf("%T: got %+v, %v; want %+v", test.message, events, err, test.want)
		}
	}
}

func TestClaimEvents_UnbondingNamesTheSupplier(t *testing.T) {
	event := emitted(t, &suppliertypes.EventSupplierUnbondingBegin{
		Supplier: &sharedtypes.Supplier{OperatorAddress: "sup"}, SessionEndHeight: 40,
		Reason: suppliertypes.SupplierUnbondingReason_SUPPLIER_UNBONDING_REASON_BELOW_MIN_STAKE,
	}, "EndBlock")
	events, err := claimEvents(&ctypes.ResultBlockResults{FinalizeBlockEvents: []abci.Event{event}})
	want := []relayer.ClaimEvent{{
		Kind: relayer.SupplierUnbonded, Supplier: "sup", SessionEnd: 40, Reason: "SUPPLIER_UNBONDING_REASON_BELOW_MIN_STAKE",
	}}
	if err != nil || !reflect.DeepEqual(events, want) {
		t.Errorf("got %+v, %v; want %+v", events, err, want)
	}
}

func TestClaimEvents_OrderIsTheChainsAndFailedTransactionsDoNotCount(t *testing.T) {
	created := func(supplier string) abci.Event {
		event := emitted(t, &prooftypes.EventClaimCreated{SupplierOperatorAddress: supplier}, "x")
		event.Attributes = append(event.Attributes, abci.EventAttribute{Key: "msg_index", Value: "0"})
		return event
	}
	other := abci.Event{Type: "tx", Attributes: []abci.EventAttribute{{Key: "fee", Value: "1upokt"}}}
	results := &ctypes.ResultBlockResults{
		TxsResults: []*abci.ExecTxResult{
			{Events: []abci.Event{other, created("a"), created("b")}},
			{Code: 5, Events: []abci.Event{created("failed")}},
			nil,
			{Events: []abci.Event{created("c")}},
		},
		FinalizeBlockEvents: []abci.Event{created("d")},
	}
	events, err := claimEvents(results)
	if err != nil {
		t.Fatal(err)
	}
	var order string
	for _, event := range events {
		order += event.Supplier
	}
	if order != "abcd" {
		t.Errorf("order is %q", order)
	}
}

func TestClaimEvents_MalformedFieldIsAnErrorAndNotAZero(t *testing.T) {
	for _, attribute := range []abci.EventAttribute{
		{Key: "num_relays", Value: `"-1"`},
		{Key: "num_relays", Value: `many`},
		{Key: "session_end_block_height", Value: `"1e9"`},
		{Key: "supplier_operator_address", Value: `{}`},
		{Key: "service_id", Value: `unquoted`},
	} {
		event := abci.Event{Type: "pocket.proof.EventClaimCreated", Attributes: []abci.EventAttribute{attribute}}
		if _, err := claimEvents(&ctypes.ResultBlockResults{FinalizeBlockEvents: []abci.Event{event}}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s=%s: %v", attribute.Key, attribute.Value, err)
		}
	}
}

func FuzzParseClaimEvent(f *testing.F) {
	f.Add("claim_settled", "num_relays", `"18446744073709551615"`)
	f.Add("supplier_unbonding", "supplier", `{"operator_address":1}`)
	f.Add("claim_created", "session_end_block_height", `12`)
	f.Fuzz(func(t *testing.T, kind, key, value string) {
		e, err := parseClaimEvent(relayer.ClaimEventKind(kind), attributes{key: value})
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%v", err)
		}
		if err == nil && e.Kind != relayer.ClaimEventKind(kind) {
			t.Errorf("kind is %q", e.Kind)
		}
	})
}
