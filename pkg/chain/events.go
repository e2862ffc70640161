package chain

import (
	"encoding/json"
	"fmt"
	"strconv"

	abci "github.com/cometbft/cometbft/abci/types"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// eventKinds names the events that concern claims, by their protobuf name.
var eventKinds = map[string]relayer.ClaimEventKind{
	"pocket.proof.EventClaimCreated":                 relayer.ClaimCreated,
	"pocket.proof.EventClaimUpdated":                 relayer.ClaimUpdated,
	"pocket.proof.EventProofSubmitted":               relayer.ProofSubmitted,
	"pocket.proof.EventProofUpdated":                 relayer.ProofSubmitted,
	"pocket.proof.EventProofValidityChecked":         relayer.ProofChecked,
	"pocket.tokenomics.EventClaimSettled":            relayer.ClaimSettled,
	"pocket.tokenomics.EventClaimExpired":            relayer.ClaimExpired,
	"pocket.tokenomics.EventClaimDiscarded":          relayer.ClaimDiscarded,
	"pocket.tokenomics.EventSupplierSlashed":         relayer.SupplierSlashed,
	"pocket.tokenomics.EventApplicationOverserviced": relayer.AppOverserviced,
	"pocket.supplier.EventSupplierUnbondingBegin":    relayer.SupplierUnbonded,
}

// claimEvents picks what concerns claims out of the results of a block:
// transactions first, in their order, then the end of the block. The events of a
// transaction that failed did not happen.
func claimEvents(results *ctypes.ResultBlockResults) ([]relayer.ClaimEvent, error) {
	var events []relayer.ClaimEvent
	for i, tx := range results.TxsResults {
		if tx == nil || tx.Code != 0 {
			continue
		}
		var err error
		if events, err = appendEvents(events, tx.Events); err != nil {
			return nil, fmt.Errorf("transaction %d: %w", i, err)
		}
	}
	return appendEvents(events, results.FinalizeBlockEvents)
}

func appendEvents(to []relayer.ClaimEvent, from []abci.Event) ([]relayer.ClaimEvent, error) {
	for _, event := range from {
		kind, ok := eventKinds[event.Type]
		if !ok {
			continue
		}
		parsed, err := parseClaimEvent(kind, attributesOf(event))
		if err != nil {
			return nil, fmt.Errorf("event %s: %w", event.Type, err)
		}
		to = append(to, parsed)
	}
	return to, nil
}

// attributes are the fields of a typed event. Each value is the JSON of the
// field. Attributes that the chain adds to the event, such as mode, are not JSON
// and are never read.
type attributes map[string]string

func attributesOf(event abci.Event) attributes {
	a := make(attributes, len(event.Attributes))
	for _, attribute := range event.Attributes {
		a[attribute.Key] = attribute.Value
	}
	return a
}

// parseClaimEvent reads an event by the names that its fields have in the
// chain's protobuf definitions.
func parseClaimEvent(kind relayer.ClaimEventKind, a attributes) (relayer.ClaimEvent, error) {
	r := reader{attributes: a}
	e := relayer.ClaimEvent{
		Kind:         kind,
		Supplier:     r.text("supplier_operator_address"),
		Application:  r.text("application_address"),
		ServiceID:    r.text("service_id"),
		SessionID:    r.text("session_id"),
		SessionEnd:   r.height("session_end_block_height"),
		NumRelays:    r.count("num_relays"),
		ComputeUnits: r.count("num_claimed_compute_units"),
		ClaimedUpokt: r.text("claimed_upokt"),
		SettledUpokt: r.text("settled_upokt"),
	}
	switch kind {
	case relayer.ClaimSettled:
		e.PaidUpokt = r.supplierReward()
	case relayer.ProofChecked:
		e.Reason = r.text("failure_reason")
	case relayer.ClaimExpired:
		e.Reason = r.text("expiration_reason")
	case relayer.ClaimDiscarded:
		e.Reason = r.text("error")
	case relayer.SupplierSlashed:
		e.SlashedUpokt = r.text("proof_missing_penalty")
		e.Reason = "penalty " + e.SlashedUpokt
	case relayer.AppOverserviced:
		e.Supplier = r.text("supplier_operator_addr")
		e.Application = r.text("application_addr")
		e.ClaimedUpokt = r.text("expected_burn")
		e.SettledUpokt = r.text("effective_burn")
	case relayer.SupplierUnbonded:
		var supplier struct {
			OperatorAddress string `json:"operator_address"`
		}
		r.decode("supplier", &supplier)
		e.Supplier = supplier.OperatorAddress
		e.SessionEnd = r.height("session_end_height")
		e.Reason = r.text("reason")
	}
	return e, r.err
}

// reader reads fields and keeps the first error. A field that is missing is zero.
type reader struct {
	attributes
	err error
}

func (r *reader) decode(field string, into any) {
	raw, ok := r.attributes[field]
	if !ok || raw == "" || r.err != nil {
		return
	}
	if err := json.Unmarshal([]byte(raw), into); err != nil {
		r.err = fmt.Errorf("%w: %s: %w", ErrMalformed, field, err)
	}
}

func (r *reader) text(field string) string {
	var s string
	r.decode(field, &s)
	return s
}

// count reads an unsigned number. Protobuf's JSON puts 64 bit numbers in quotes.
func (r *reader) count(field string) uint64 {
	raw := r.number(field)
	if raw == "" {
		return 0
	}
	n, err := strconv.ParseUint(raw, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%w: %s: %w", ErrMalformed, field, err)
	}
	return n
}

func (r *reader) height(field string) int64 {
	raw := r.number(field)
	if raw == "" {
		return 0
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%w: %s: %w", ErrMalformed, field, err)
	}
	return n
}

func (r *reader) number(field string) string {
	raw := r.attributes[field]
	if len(raw) > 0 && raw[0] != '"' {
		return raw
	}
	return r.text(field)
}
