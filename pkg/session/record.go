package session

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// recordVersion is the version of the encoding of Record. A record of a higher
// version was written by a newer relay miner and is not touched.
const recordVersion = 1

// errNewer says that a record has a version that this relay miner does not know.
var errNewer = errors.New("written by a newer relay miner")

// Record is what is kept of a session beside its leaves. It holds everything
// that cannot be found out again, and the story of what was done and why.
type Record struct {
	Version     int    `json:"version"`
	Supplier    string `json:"supplier"` // operator address
	Application string `json:"application"`
	ServiceID   string `json:"service_id"`
	SessionID   string `json:"session_id"`
	StartHeight int64  `json:"start_height"`
	EndHeight   int64  `json:"end_height"`

	State State `json:"state"`
	// Root is the sealed root in hex, 48 bytes; empty while the session is open.
	// Once written it does not change.
	Root string `json:"root,omitempty"`
	// Relays and ComputeUnits are those of the root.
	Relays       uint64 `json:"relays"`
	ComputeUnits uint64 `json:"compute_units"`
	// Bytes is the size of the relays of the root, without what the disk adds.
	Bytes uint64 `json:"bytes,omitempty"`
	// LateRelays is the number of relays that were served too late to be in the
	// tree and were refused, as of the last transition.
	LateRelays uint64 `json:"late_relays,omitempty"`
	// EstimatedUpokt is what the claim is worth before any limit that the
	// application's stake sets.
	EstimatedUpokt int64 `json:"estimated_upokt,omitempty"`
	// Requirement says whether the chain wants a proof.
	Requirement Requirement `json:"requirement,omitempty"`
	// ProofPath is the path of the proof in hex, 32 bytes. Once written it does
	// not change.
	ProofPath string `json:"proof_path,omitempty"`
	// SettledUpokt is what the chain settled the claim at, which the application
	// has paid, with denomination.
	SettledUpokt string `json:"settled_upokt,omitempty"`
	// PaidUpokt is what the supplier's owner and shareholders got of it, with
	// denomination; empty if the chain's event does not say.
	PaidUpokt string `json:"paid_upokt,omitempty"`
	// SlashedUpokt is what the supplier's stake has lost for the session, with
	// denomination.
	SlashedUpokt string `json:"slashed_upokt,omitempty"`
	// ProofFeeUpokt is what the chain takes for a proof beside the transaction's
	// fee (x/proof: proof_submission_fee), as of the session's end.
	ProofFeeUpokt int64 `json:"proof_fee_upokt,omitempty"`
	// ProofFailure is why the chain judged the proof invalid, in its words.
	ProofFailure string `json:"proof_failure,omitempty"`

	// RelaysPurged is the height at which the relays of the session, which was over
	// then, were deleted; 0 while they are there.
	RelaysPurged int64 `json:"relays_purged,omitempty"`

	ClaimAttempts []relayer.TxAttempt `json:"claim_attempts,omitempty"`
	ProofAttempts []relayer.TxAttempt `json:"proof_attempts,omitempty"`
	Timeline      []Transition        `json:"timeline"`
}

// Transition is one change of a session's state.
type Transition struct {
	State  State     `json:"state"`
	Height int64     `json:"height"` // newest block when it happened
	Time   time.Time `json:"time"`
	Reason string    `json:"reason,omitempty"`
}

// newRecord returns the record of a session whose first relay has arrived.
func newRecord(header *sessiontypes.SessionHeader, supplier string, height int64, now time.Time) *Record {
	return &Record{
		Version:     recordVersion,
		Supplier:    supplier,
		Application: header.ApplicationAddress,
		ServiceID:   header.ServiceId,
		SessionID:   header.SessionId,
		StartHeight: header.SessionStartBlockHeight,
		EndHeight:   header.SessionEndBlockHeight,
		State:       StateOpen,
		Timeline:    []Transition{{State: StateOpen, Height: height, Time: now}},
	}
}

// Key returns the session's key in the store.
func (r *Record) Key() store.SessionKey {
	return store.SessionKey{Supplier: r.Supplier, SessionEnd: r.EndHeight, SessionID: r.SessionID}
}

// Header returns the session's header as the chain has it.
func (r *Record) Header() *sessiontypes.SessionHeader {
	return &sessiontypes.SessionHeader{
		ApplicationAddress:      r.Application,
		ServiceId:               r.ServiceID,
		SessionId:               r.SessionID,
		SessionStartBlockHeight: r.StartHeight,
		SessionEndBlockHeight:   r.EndHeight,
	}
}

// RootBytes returns the sealed root, or nil while the session is open.
func (r *Record) RootBytes() ([]byte, error) {
	if r.Root == "" {
		return nil, nil
	}
	root, err := hex.DecodeString(r.Root)
	if err != nil || len(root) != trie.RootSize {
		return nil, fmt.Errorf("record of session %s: root %q is not %d bytes of hex", r.SessionID, r.Root, trie.RootSize)
	}
	return root, nil
}

// moved returns a copy of the record in the given state.
func (r *Record) moved(to State, height int64, now time.Time, reason string) (*Record, error) {
	if !r.State.canGo(to) {
		return nil, fmt.Errorf("session %s cannot go from %s to %s", r.SessionID, r.State, to)
	}
	next := r.clone()
	next.State = to
	next.Timeline = append(next.Timeline, Transition{State: to, Height: height, Time: now, Reason: reason})
	return next, nil
}

// clone returns a copy that shares nothing that is written to.
func (r *Record) clone() *Record {
	next := *r
	next.ClaimAttempts = append([]relayer.TxAttempt(nil), r.ClaimAttempts...)
	next.ProofAttempts = append([]relayer.TxAttempt(nil), r.ProofAttempts...)
	next.Timeline = append([]Transition(nil), r.Timeline...)
	return &next
}

// withAttempt returns the attempts with the given one added or, if an attempt
// with its hash is there, replaced.
func withAttempt(attempts []relayer.TxAttempt, attempt relayer.TxAttempt) []relayer.TxAttempt {
	for i := range attempts {
		if attempts[i].Hash == attempt.Hash {
			attempts[i] = attempt
			return attempts
		}
	}
	return append(attempts, attempt)
}

// encodeRecord and decodeRecord translate to and from what the store keeps.
func encodeRecord(r *Record) ([]byte, error) {
	bz, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record of session %s: %w", r.SessionID, err)
	}
	return bz, nil
}

// DecodeRecord decodes a record of the store.
func DecodeRecord(bz []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(bz, &r); err != nil {
		return nil, fmt.Errorf("decode record: %w", err)
	}
	if r.Version > recordVersion {
		return nil, fmt.Errorf("%w: record of session %s has version %d, this relay miner knows versions 1 to %d",
			errNewer, r.SessionID, r.Version, recordVersion)
	}
	if r.Version < 1 || len(r.Timeline) == 0 {
		return nil, fmt.Errorf("record of session %s has version %d and a story of %d entries", r.SessionID, r.Version, len(r.Timeline))
	}
	return &r, nil
}

// Records returns the records in the store by supplier and end height, without those
// that cannot be read, which Inspector.List tells of.
func Records(st *store.Store) ([]*Record, error) {
	var records []*Record
	for kept, err := range st.Records() {
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		if s := decodeStored(kept.Key, kept.Value); s.record != nil {
			records = append(records, s.record)
		}
	}
	return records, nil
}
