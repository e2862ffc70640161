package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

// LedgerEntry is what became of the relays of one session. It follows from the
// session's record, and lasts as long.
type LedgerEntry struct {
	SessionID   string `json:"session_id"`
	Supplier    string `json:"supplier"` // operator address
	Application string `json:"application"`
	ServiceID   string `json:"service_id"`
	StartHeight int64  `json:"start_height"`
	EndHeight   int64  `json:"end_height"`
	State       State  `json:"state"`
	LedgerSums
	Verdict Verdict `json:"verdict,omitempty"` // on the proof
	Reason  string  `json:"reason,omitempty"`  // the last one that was noted
}

// LedgerSums are what sessions can be compared by, and what can be added up.
type LedgerSums struct {
	// Served relays are those that were answered and met the difficulty; Late ones
	// were refused because the session was sealed.
	Served uint64 `json:"served"`
	Late   uint64 `json:"late"`
	// Those of the served that the chain has had a claim of, a valid proof of, and
	// has paid for.
	Claimed uint64 `json:"claimed"`
	Proven  uint64 `json:"proven"`
	Settled uint64 `json:"settled"`
	// EstimatedUpokt is what the claims were worth, SettledUpokt what the
	// applications were charged for them, and PaidUpokt what the suppliers' owners
	// and shareholders got of it.
	EstimatedUpokt int64 `json:"estimated_upokt"`
	SettledUpokt   int64 `json:"settled_upokt"`
	PaidUpokt      int64 `json:"paid_upokt"`
	FeesUpokt      int64 `json:"fees_upokt"`
	SlashedUpokt   int64 `json:"slashed_upokt"`
	Txs            int   `json:"txs"` // in blocks; one that carried several sessions counts for each
}

// Add adds other to the sums.
func (s *LedgerSums) Add(other LedgerSums) {
	s.Served += other.Served
	s.Late += other.Late
	s.Claimed += other.Claimed
	s.Proven += other.Proven
	s.Settled += other.Settled
	s.EstimatedUpokt += other.EstimatedUpokt
	s.SettledUpokt += other.SettledUpokt
	s.PaidUpokt += other.PaidUpokt
	s.FeesUpokt += other.FeesUpokt
	s.SlashedUpokt += other.SlashedUpokt
	s.Txs += other.Txs
}

// Ledger is what became of relays.
type Ledger struct {
	Sessions []LedgerEntry `json:"sessions"` // by end height, supplier and id
	// Refused are the relays that the relay miner has refused since RefusedSince, of
	// all sessions and of none. At rest nothing is known of them.
	Refused      []Refusal  `json:"refused,omitempty"`
	RefusedSince *time.Time `json:"refused_since,omitempty"`
	// Problems say which records cannot be read.
	Problems []string `json:"problems,omitempty"`
}

// Ledger returns what became of the relays of the sessions that pass the filter,
// and of those that were refused.
func (i *Inspector) Ledger(ctx context.Context, filter Filter) (*Ledger, error) {
	ledger := &Ledger{Sessions: []LedgerEntry{}}
	var open []int // entries whose relays are not counted yet
	damage, err := i.each(ctx, func(s stored) {
		switch {
		case !strings.HasPrefix(s.key.Supplier, filter.Supplier):
		case s.record == nil:
			ledger.Problems = append(ledger.Problems, s.fault.Error())
		case len(filter.States) == 0 || slices.Contains(filter.States, s.record.State):
			if s.record.State == StateOpen {
				open = append(open, len(ledger.Sessions))
			}
			ledger.Sessions = append(ledger.Sessions, s.record.ledgerEntry())
		}
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if damage != nil {
		ledger.Problems = append(ledger.Problems, damage.Error())
	}
	for _, n := range open { // only now: a walk over records must not take long
		i.countOpen(ledger, n)
	}
	slices.SortFunc(ledger.Sessions, func(a, b LedgerEntry) int { return compareKeys(a.key(), b.key()) })
	if i.refusals != nil {
		since := i.refusals.Since()
		ledger.RefusedSince = &since
		ledger.Refused = slices.DeleteFunc(i.refusals.Counts(), func(r Refusal) bool {
			return !strings.HasPrefix(r.Supplier, filter.Supplier)
		})
	}
	return ledger, nil
}

// countOpen counts the relays of an entry whose session is open.
func (i *Inspector) countOpen(ledger *Ledger, n int) {
	entry := &ledger.Sessions[n]
	served, err := i.store.Count(entry.key())
	if err != nil {
		ledger.Problems = append(ledger.Problems, storeError(err).Error())
		return
	}
	entry.Served = served
}

// ledgerEntry returns what the record says became of the session's relays.
func (r *Record) ledgerEntry() LedgerEntry {
	fees := r.Fees()
	entry := LedgerEntry{
		SessionID: r.SessionID, Supplier: r.Supplier, Application: r.Application, ServiceID: r.ServiceID,
		StartHeight: r.StartHeight, EndHeight: r.EndHeight, State: r.State, Verdict: r.Verdict(),
		LedgerSums: LedgerSums{
			Served: r.Relays, Late: r.LateRelays, EstimatedUpokt: r.EstimatedUpokt,
			FeesUpokt: fees.Total(), Txs: fees.Txs,
		},
	}
	for n := len(r.Timeline) - 1; n >= 0 && entry.Reason == ""; n-- {
		entry.Reason = r.Timeline[n].Reason
	}
	for _, amount := range []struct {
		text string
		into *int64
	}{{r.SettledUpokt, &entry.SettledUpokt}, {r.PaidUpokt, &entry.PaidUpokt}, {r.SlashedUpokt, &entry.SlashedUpokt}} {
		if upokt, ok := Upokt(amount.text); ok {
			*amount.into = upokt
		}
	}
	if r.Claimed() {
		entry.Claimed = r.Relays
	}
	if entry.Verdict == VerdictValid {
		entry.Proven = r.Relays
	}
	if r.State == StateSettled {
		entry.Settled = r.Relays
	}
	return entry
}

// key returns the session's key in the store.
func (e *LedgerEntry) key() store.SessionKey {
	return store.SessionKey{Supplier: e.Supplier, SessionEnd: e.EndHeight, SessionID: e.SessionID}
}
