package session

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// Verification says what is verified, and how thoroughly.
type Verification struct {
	Name Name // the session, unless All is set
	All  bool
	// Deep verifies the signatures of every relay too.
	Deep bool
}

// Event is something that happened in the course of a verification: either
// progress, or a session's verdict.
type Event struct {
	Progress *Progress `json:"progress,omitempty"`
	Report   *Report   `json:"report,omitempty"`
}

// Progress says how far a verification has come.
type Progress struct {
	Session  string `json:"session"`  // id of the one at hand
	Verified int    `json:"verified"` // sessions before it
	Sessions int    `json:"sessions"` // to be verified in all
	Leaves   uint64 `json:"leaves"`   // verified so far, of all sessions
	Expected uint64 `json:"expected"` // leaves in all, as far as is known
}

// Report is the verdict on one session.
type Report struct {
	SessionID string `json:"session_id"` // empty if the disk does not tell which it is
	Supplier  string `json:"supplier"`   // operator address
	EndHeight int64  `json:"end_height"`
	State     State  `json:"state,omitempty"` // empty if the record cannot be read
	Leaves    uint64 `json:"leaves"`
	// Recorded is the root in the record, empty while the session is open, and
	// Computed that of the leaves, empty if they cannot be read. Both are hex.
	Recorded string `json:"recorded_root,omitempty"`
	Computed string `json:"computed_root,omitempty"`
	Deep     bool   `json:"deep"` // signatures were verified too
	// Faults are what is wrong with the session, and with 100 of its leaves.
	Faults []Fault `json:"faults,omitempty"`
	// MoreFaults is the number of those that are not in Faults.
	MoreFaults int `json:"more_faults,omitempty"`
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Faults) == 0 }

// Fault is one thing that is wrong with a session.
type Fault struct {
	Leaf    string `json:"leaf,omitempty"` // path in hex, empty if it concerns no single leaf
	Problem string `json:"problem"`
}

// maxFaults bounds the faults of leaves in one report.
const maxFaults = 100

// progressEvery is the time between two reports of progress.
const progressEvery = 200 * time.Millisecond

// Verify computes the roots of sessions from their leaves and compares them with
// the recorded ones. Every leaf must lie at the path that follows from its relay.
// A deep verification also checks that the relay belongs to the session, weighs
// what others do, and is signed by a ring and by the supplier; whose keys those
// in the ring are only the chain knows, and is not asked.
//
// What is found is passed to observe, one call at a time; a session that is
// damaged does not keep others from being verified, and those whose relays are not
// kept any more are left out. The error says that the
// verification could not be carried out or that observe failed, never that
// something is wrong.
func (i *Inspector) Verify(ctx context.Context, what Verification, observe func(Event) error) error {
	keys, damage, err := i.selected(ctx, what)
	if err != nil {
		return err
	}
	run := &verification{inspector: i, deep: what.Deep, observe: observe}
	run.expect(keys)
	for _, key := range keys {
		report, err := run.session(ctx, key)
		if (errors.Is(err, ErrNoSession) || errors.Is(err, ErrPurged)) && what.All {
			run.progress.Sessions--
			continue // dropped meanwhile, or not kept any more
		}
		if err != nil {
			return err
		}
		run.progress.Verified++
		if err := observe(Event{Report: report}); err != nil {
			return err
		}
	}
	if damage != nil {
		return observe(Event{Report: &Report{Faults: []Fault{{Problem: damage.Error()}}}})
	}
	return nil
}

// selected returns the sessions to be verified by end height, supplier and id;
// and why there may be more of them, if so.
func (i *Inspector) selected(ctx context.Context, what Verification) (keys []store.SessionKey, damage, err error) {
	if !what.All {
		s, err := i.resolve(ctx, what.Name)
		return []store.SessionKey{s.key}, nil, err
	}
	known := make(map[store.SessionKey]bool)
	for _, walk := range []iter.Seq2[store.SessionKey, error]{i.recorded(ctx), i.store.Sessions()} {
		for key, err := range walk {
			if err = errors.Join(storeError(err), ctx.Err()); errors.Is(err, ErrDamaged) {
				damage = err
				break
			}
			if err != nil {
				return nil, nil, err
			}
			if !known[key] {
				known[key] = true
				keys = append(keys, key)
			}
		}
	}
	slices.SortFunc(keys, compareKeys)
	return keys, damage, nil
}

// verification is a verification under way.
type verification struct {
	inspector *Inspector
	deep      bool
	observe   func(Event) error
	progress  Progress
	reported  time.Time // when progress was last reported
}

// expect notes how much there is to be verified: what is recorded, and what is
// stored of open sessions. What cannot be read counts for nothing here.
func (v *verification) expect(keys []store.SessionKey) {
	v.progress.Sessions = len(keys)
	for _, key := range keys {
		s, err := v.inspector.find(key)
		switch {
		case err != nil || s.record == nil || s.record.RelaysPurged > 0:
		case s.record.State == StateOpen:
			if n, err := v.inspector.store.Count(key); err == nil {
				v.progress.Expected += n
			}
		default:
			v.progress.Expected += s.record.Relays
		}
	}
}

// session verifies one session. What is wrong with it is in the report.
func (v *verification) session(ctx context.Context, key store.SessionKey) (*Report, error) {
	s, err := v.inspector.find(key)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return nil, err
	}
	report := &Report{SessionID: key.SessionID, Supplier: key.Supplier, EndHeight: key.SessionEnd, Deep: v.deep}
	faults := &faults{report: report}
	switch {
	case err != nil:
		faults.add("", err)
		return report, nil
	case s.fault != nil:
		faults.add("", s.fault)
		return report, nil
	}
	if err := s.purged(); err != nil {
		return nil, err
	}
	v.progress.Session = key.SessionID
	report.State, report.Recorded = s.record.State, s.record.Root
	root, err := v.leaves(ctx, s, report, faults)
	if stop := fatal(ctx, err); stop != nil {
		return nil, stop
	}
	if err != nil {
		faults.add("", fmt.Errorf("leaves cannot be read to the end: %w", err))
	} else {
		report.Computed = root.String()
		faults.add("", checkSums(s.record, root))
	}
	if gone := v.inspector.gone(key); !report.OK() && gone != nil {
		return nil, gone
	}
	faults.sort()
	return report, nil
}

// fatal returns the error if it is not about the session that was read.
func fatal(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed), errors.Is(err, errObserver):
		return err
	default:
		return nil
	}
}

// errObserver marks an error of the function that observes a verification.
var errObserver = errors.New("verification is not observed any more")

// leaves verifies the leaves of a session and returns their root.
func (v *verification) leaves(ctx context.Context, s stored, report *Report, faults *faults) (trie.Root, error) {
	checks := newRelayChecks(s.record)
	queue := make(chan store.Leaf, v.inspector.checkers) // closed below, when all leaves are read
	var checkers sync.WaitGroup
	if v.deep {
		for range v.inspector.checkers {
			checkers.Go(func() {
				for leaf := range queue {
					faults.add(hex.EncodeToString(leaf.Path[:]), checks.relay(leaf))
				}
			})
		}
	}
	root, err := trie.ComputeRoot(trieLeaves(v.watched(ctx, s.key, func(leaf store.Leaf) {
		report.Leaves++
		faults.add(hex.EncodeToString(leaf.Path[:]), checkPath(leaf))
		if v.deep {
			faults.add(hex.EncodeToString(leaf.Path[:]), checks.weight(leaf))
			queue <- leaf // a checker takes it, however long that lasts
		}
	})))
	close(queue)
	checkers.Wait()
	return root, err
}

// watched yields the leaves of a session, shows each to see, and reports progress.
func (v *verification) watched(ctx context.Context, key store.SessionKey, see func(store.Leaf)) iter.Seq2[store.Leaf, error] {
	return func(yield func(store.Leaf, error) bool) {
		for leaf, err := range v.inspector.leaves(ctx, key) {
			if err == nil {
				see(leaf)
				err = v.step()
			}
			if !yield(leaf, err) || err != nil {
				return
			}
		}
	}
}

// step counts a leaf and reports progress if it is time to.
func (v *verification) step() error {
	v.progress.Leaves++
	v.progress.Expected = max(v.progress.Expected, v.progress.Leaves)
	if v.progress.Leaves%64 != 0 && !v.deep || time.Since(v.reported) < progressEvery {
		return nil
	}
	v.reported = time.Now()
	progress := v.progress
	if err := v.observe(Event{Progress: &progress}); err != nil {
		return fmt.Errorf("%w: %w", errObserver, err)
	}
	return nil
}

// faults collects what is wrong with a session. It may be used concurrently.
type faults struct {
	mu     sync.Mutex
	report *Report
}

// add notes an error, if it is one, of a leaf or, without a path, of the session.
func (f *faults) add(leaf string, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if leaf != "" && len(f.report.Faults) >= maxFaults {
		f.report.MoreFaults++
		return
	}
	f.report.Faults = append(f.report.Faults, Fault{Leaf: leaf, Problem: err.Error()})
}

// sort puts faults of the session before those of its leaves, and those in the
// order of their paths.
func (f *faults) sort() {
	slices.SortStableFunc(f.report.Faults, func(a, b Fault) int { return strings.Compare(a.Leaf, b.Leaf) })
}

// trieLeaves turns stored leaves into those of a trie.
func trieLeaves(leaves iter.Seq2[store.Leaf, error]) trie.Leaves {
	return func(yield func(trie.Leaf, error) bool) {
		for leaf, err := range leaves {
			if !yield(trie.Leaf{Path: leaf.Path, Weight: leaf.Weight, Value: leaf.Relay}, err) {
				return
			}
		}
	}
}
