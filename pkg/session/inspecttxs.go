package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// TxKind says what a transaction carries.
type TxKind string

// A transaction carries messages of one kind.
const (
	TxClaim TxKind = "claim"
	TxProof TxKind = "proof"
)

// TxState says what became of a transaction, as far as its sender knows.
type TxState string

// The states of a transaction. All but the first are final.
const (
	TxOpen     TxState = "open"     // it can still be included
	TxIncluded TxState = "included" // in a block, with effect
	TxFailed   TxState = "failed"   // in a block, without effect
	TxRefused  TxState = "refused"  // by the node, or never sent
	TxOver     TxState = "over"     // its time passed, and it was not seen in a block
)

// TxFilter says which transactions are listed.
type TxFilter struct {
	Supplier string // operator address or the beginning of it, empty for all
	Session  string // session id or the beginning of it, empty for all
	Open     bool   // only those that can still be included
}

// Tx is one transaction that carried claims or proofs of one supplier.
type Tx struct {
	Kind     TxKind   `json:"kind"`
	Supplier string   `json:"supplier"` // operator address
	Sessions []string `json:"sessions"` // ids of those whose records name it, sorted
	Hash     string   `json:"hash"`     // upper-case hex
	// Messages is how many it carried. A session that was dropped since is
	// counted and not named.
	Messages      int     `json:"messages"`
	FeeUpokt      int64   `json:"fee_upokt"`
	GasWanted     uint64  `json:"gas_wanted"`
	SentHeight    int64   `json:"sent_height"`    // newest block when it was first sent
	TimeoutHeight int64   `json:"timeout_height"` // last height at which it can be included
	Included      int64   `json:"included,omitempty"`
	State         TxState `json:"state"`
	Codespace     string  `json:"codespace,omitempty"`
	Code          uint32  `json:"code,omitempty"`
	Error         string  `json:"error,omitempty"`
}

// TxList is what Transactions finds.
type TxList struct {
	Transactions []Tx `json:"transactions"` // newest last
	// Height is the one as of which the list says what can still be included: the
	// newest block that the relay miner has seen, or at rest that its records name.
	Height int64 `json:"height"`
	// Problems say which records cannot be read.
	Problems []string `json:"problems,omitempty"`
}

// Transactions returns the transactions that the records name, one entry for
// each however many sessions it was for.
func (i *Inspector) Transactions(ctx context.Context, filter TxFilter) (*TxList, error) {
	list := &TxList{Transactions: []Tx{}}
	found := make(txIndex)
	damage, err := i.each(ctx, func(s stored) {
		if s.record == nil {
			list.Problems = append(list.Problems, s.fault.Error())
			return
		}
		list.Height = max(list.Height, s.record.newestHeight())
		if filter.matches(s.key) {
			found.add(TxClaim, s.record, s.record.ClaimAttempts)
			found.add(TxProof, s.record, s.record.ProofAttempts)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list transactions: %w", err)
	}
	if damage != nil {
		list.Problems = append(list.Problems, damage.Error())
	}
	if i.live != nil {
		list.Height = max(list.Height, i.live.height())
	}
	for _, e := range found {
		tx := e.tx(list.Height, time.Now())
		if !filter.Open || tx.State == TxOpen {
			list.Transactions = append(list.Transactions, tx)
		}
	}
	slices.SortFunc(list.Transactions, func(a, b Tx) int {
		return cmp.Or(cmp.Compare(a.SentHeight, b.SentHeight), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Supplier, b.Supplier), cmp.Compare(a.Hash, b.Hash))
	})
	return list, nil
}

// matches reports whether transactions of a session are asked for.
func (f TxFilter) matches(key store.SessionKey) bool {
	return Name{ID: f.Session, Supplier: f.Supplier}.matches(key)
}

// newestHeight returns the height of the newest block that the record names.
func (r *Record) newestHeight() int64 {
	newest := int64(0)
	for _, at := range r.Timeline {
		newest = max(newest, at.Height)
	}
	for _, a := range slices.Concat(r.ClaimAttempts, r.ProofAttempts) {
		newest = max(newest, a.SentHeight, a.Included)
	}
	return newest
}

// txIndex collects transactions by kind and hash.
type txIndex map[txKey]*txEntry

type txKey struct {
	kind TxKind
	hash string
}

// txEntry is a transaction and those who know of it.
type txEntry struct {
	kind     TxKind
	supplier string
	sessions []string
	attempt  relayer.TxAttempt
}

func (x txIndex) add(kind TxKind, record *Record, attempts []relayer.TxAttempt) {
	for n := range attempts {
		key := txKey{kind, attempts[n].Hash}
		e := x[key]
		if e == nil {
			e = &txEntry{kind: kind, supplier: record.Supplier, attempt: attempts[n]}
			x[key] = e
		}
		e.sessions = append(e.sessions, record.SessionID)
		// A session that ended early knows less of what became of it.
		if knows(&attempts[n]) > knows(&e.attempt) {
			e.attempt = attempts[n]
		}
	}
}

// knows ranks attempts by how much they say about the end of a transaction.
func knows(a *relayer.TxAttempt) int {
	switch {
	case a.Included > 0:
		return 2
	case a.Code != 0:
		return 1
	}
	return 0
}

// tx returns the entry as of a height. The chain compares the timeout with the
// time of a block, which is close to that of this machine.
func (e *txEntry) tx(height int64, now time.Time) Tx {
	slices.Sort(e.sessions)
	a := &e.attempt
	return Tx{
		Kind: e.kind, Supplier: e.supplier, Sessions: e.sessions,
		Hash: a.Hash, Messages: a.Messages, FeeUpokt: a.FeeUpokt, GasWanted: a.GasWanted,
		SentHeight: a.SentHeight, TimeoutHeight: a.TimeoutHeight, Included: a.Included,
		State: txStateOf(a, height, now), Codespace: a.Codespace, Code: a.Code, Error: strings.TrimSpace(a.Error),
	}
}

func txStateOf(a *relayer.TxAttempt, height int64, now time.Time) TxState {
	switch {
	case a.Included > 0 && a.Code == 0:
		return TxIncluded
	case a.Included > 0:
		return TxFailed
	case a.Code != 0:
		return TxRefused
	case a.TimeoutHeight > 0 && height >= a.TimeoutHeight, a.TimeoutUnixNs > 0 && now.UnixNano() >= a.TimeoutUnixNs:
		return TxOver
	}
	return TxOpen
}
