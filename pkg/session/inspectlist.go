package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

// States returns all states in the order in which they are gone through, with
// the outcomes last.
func States() []State {
	return []State{
		StateOpen, StateSealed, StateClaiming, StateClaimed, StateProving, StateProven,
		StateSettled, StateEmpty, StateUnprofitable, StateMissed, StateRejected, StateConflict, StateExpired, StateUnresolved,
	}
}

// Filter says which sessions are listed.
type Filter struct {
	States   []State // empty for all
	Supplier string  // operator address or the beginning of it, empty for all
}

// Summary is one session of a list.
type Summary struct {
	SessionID   string `json:"session_id"`
	Supplier    string `json:"supplier"` // operator address
	Application string `json:"application,omitempty"`
	ServiceID   string `json:"service_id,omitempty"`
	StartHeight int64  `json:"start_height,omitempty"`
	EndHeight   int64  `json:"end_height"`
	State       State  `json:"state,omitempty"` // empty if the record cannot be read
	// Relays, ComputeUnits and Bytes (of the relays) are those of the root, and
	// of what is stored now while the session is open.
	Relays       uint64 `json:"relays"`
	ComputeUnits uint64 `json:"compute_units"`
	Bytes        uint64 `json:"bytes"`
	// EstimatedUpokt is what the claim is or would be worth; nil if that is not
	// known.
	EstimatedUpokt *int64 `json:"estimated_upokt,omitempty"`
	// SettledUpokt is what the application was charged, and PaidUpokt what the
	// supplier's owner and shareholders got of it, with denomination.
	SettledUpokt string `json:"settled_upokt,omitempty"`
	PaidUpokt    string `json:"paid_upokt,omitempty"`
	// Problem says what of the session cannot be read.
	Problem string `json:"problem,omitempty"`
}

// Details are all that is known of one session.
type Details struct {
	Record *Record `json:"record"`
	// Stored sums up the leaves that are stored now.
	Stored Sums `json:"stored"`
	// EstimatedUpokt is what the claim is or would be worth; nil if that is not
	// known.
	EstimatedUpokt *int64 `json:"estimated_upokt,omitempty"`
	// What follows from the record: see its methods.
	Verdict Verdict `json:"verdict,omitempty"`
	Fees    Fees    `json:"fees"`
	Steps   []Step  `json:"steps"`
}

// Sums are sums over the leaves of a session.
type Sums struct {
	Leaves       uint64 `json:"leaves"`
	ComputeUnits uint64 `json:"compute_units"`
	Bytes        uint64 `json:"bytes"` // of relays
}

// List returns the sessions that pass the filter by end height, supplier and id.
// A session that cannot be read is in the list with its problem, whatever states
// are asked for. If the disk does not tell which sessions those are, a summary
// without an id stands for them.
func (i *Inspector) List(ctx context.Context, filter Filter) ([]Summary, error) {
	list := []Summary{}
	damage, err := i.each(ctx, func(s stored) {
		if !strings.HasPrefix(s.key.Supplier, filter.Supplier) {
			return
		}
		if s.record == nil || len(filter.States) == 0 || slices.Contains(filter.States, s.record.State) {
			list = append(list, s.summary())
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	if damage != nil {
		list = append(list, Summary{Problem: damage.Error()})
	}
	// Only now, since counting takes its time and a walk over records must not.
	quick, cancel := context.WithTimeout(ctx, estimateTime)
	defer cancel()
	for n := range list {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		i.count(&list[n])
		list[n].EstimatedUpokt = i.estimate(quick, list[n].record(), list[n].Relays, list[n].ComputeUnits)
	}
	slices.SortFunc(list, func(a, b Summary) int {
		return compareKeys(a.key(), b.key())
	})
	return list, nil
}

// summary returns what the record says.
func (s *stored) summary() Summary {
	sum := Summary{SessionID: s.key.SessionID, Supplier: s.key.Supplier, EndHeight: s.key.SessionEnd}
	if s.fault != nil {
		sum.Problem = s.fault.Error()
	}
	if r := s.record; r != nil {
		sum.Application, sum.ServiceID, sum.StartHeight, sum.State = r.Application, r.ServiceID, r.StartHeight, r.State
		sum.Relays, sum.ComputeUnits, sum.Bytes = r.Relays, r.ComputeUnits, r.Bytes
		sum.SettledUpokt, sum.PaidUpokt = r.SettledUpokt, r.PaidUpokt
		if r.EstimatedUpokt != 0 {
			sum.EstimatedUpokt = &r.EstimatedUpokt
		}
	}
	return sum
}

// compareKeys orders sessions by end height, supplier and id.
func compareKeys(a, b store.SessionKey) int {
	return cmp.Or(
		cmp.Compare(a.SessionEnd, b.SessionEnd),
		cmp.Compare(a.Supplier, b.Supplier),
		cmp.Compare(a.SessionID, b.SessionID),
	)
}

// key returns the session's key in the store.
func (sum *Summary) key() store.SessionKey {
	return store.SessionKey{Supplier: sum.Supplier, SessionEnd: sum.EndHeight, SessionID: sum.SessionID}
}

// record returns what of the summary was in the session's record.
func (sum *Summary) record() *Record {
	r := &Record{
		Supplier: sum.Supplier, Application: sum.Application, ServiceID: sum.ServiceID, SessionID: sum.SessionID,
		StartHeight: sum.StartHeight, EndHeight: sum.EndHeight, State: sum.State,
	}
	if sum.EstimatedUpokt != nil {
		r.EstimatedUpokt = *sum.EstimatedUpokt
	}
	return r
}

// count counts the leaves of a session whose record has no sums: one that is
// open, or whose record cannot be read, or was written before sizes were noted.
func (i *Inspector) count(sum *Summary) {
	if sum.SessionID == "" {
		return
	}
	counted := sum.State != StateOpen && sum.State != ""
	if counted && (sum.Relays == 0 || sum.Bytes > 0) {
		return
	}
	stats, err := i.store.Stats(sum.key())
	if err != nil {
		if sum.Problem == "" {
			sum.Problem = storeError(err).Error()
		}
		return
	}
	sum.Bytes = stats.Bytes
	if !counted {
		sum.Relays, sum.ComputeUnits = stats.Leaves, stats.Weight
	}
}

// estimateTime is how long a list may wait for the chain. Prices are known of
// most sessions; when the node is down, estimates are left out.
const estimateTime = 3 * time.Second

// estimate returns what the claim of a session is or, if the sessions manager
// can tell, would be worth with these sums; else nil.
func (i *Inspector) estimate(ctx context.Context, record *Record, relays, computeUnits uint64) *int64 {
	if record.EstimatedUpokt != 0 {
		return &record.EstimatedUpokt
	}
	if i.live == nil || (record.State != StateOpen && record.State != StateSealed) {
		return nil
	}
	worth, err := i.live.estimate(ctx, record, relays, computeUnits)
	if err != nil {
		return nil
	}
	return &worth
}

// Show returns all that is known of a session. It fails with ErrNoSession,
// ErrAmbiguous, ErrInvalid or ErrDamaged.
func (i *Inspector) Show(ctx context.Context, name Name) (*Details, error) {
	s, err := i.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if s.fault != nil {
		return nil, s.fault
	}
	stats, err := i.store.Stats(s.key)
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", title(s.key), storeError(err))
	}
	ctx, cancel := context.WithTimeout(ctx, estimateTime)
	defer cancel()
	return &Details{
		Record:         s.record,
		Stored:         Sums{Leaves: stats.Leaves, ComputeUnits: stats.Weight, Bytes: stats.Bytes},
		EstimatedUpokt: i.estimate(ctx, s.record, stats.Leaves, stats.Weight),
		Verdict:        s.record.Verdict(),
		Fees:           s.record.Fees(),
		Steps:          s.record.Steps(),
	}, nil
}
