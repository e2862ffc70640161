package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Overview counts the sessions in a store.
type Overview struct {
	// States counts the sessions in each state that there are some in.
	States map[State]int `json:"states"`
	// Unreadable is the number of those whose record cannot be read.
	Unreadable int `json:"unreadable,omitempty"`
	// Unfinished are the sessions without an outcome, by the height at which they
	// end; of those that end last only maxEnds.
	Unfinished []Ending `json:"unfinished"`
	// More is the number of heights that are not in Unfinished.
	More int `json:"more,omitempty"`
}

// maxEnds bounds the end heights of an overview.
const maxEnds = 100

// Ending are the sessions without an outcome that end at one height.
type Ending struct {
	EndHeight int64         `json:"end_height"`
	States    map[State]int `json:"states"`
	// The windows in which the chain takes their claims and proofs, inclusive; nil
	// at rest and if the node does not tell.
	Claim *Window `json:"claim_window,omitempty"`
	Proof *Window `json:"proof_window,omitempty"`
}

// Window is a range of heights, inclusive.
type Window struct {
	Open  int64 `json:"open"`
	Close int64 `json:"close"`
	// Left is how many blocks can still be in the window, 0 when it is closed.
	Left int64 `json:"left"`
}

// windowAt returns a window as of a height: the next block is the first that a
// message can be included in.
func windowAt(height, first, last int64) *Window {
	return &Window{Open: first, Close: last, Left: max(last-max(height, first-1), 0)}
}

// Overview counts the sessions by state, and those without an outcome by the
// height at which they end.
func (i *Inspector) Overview(ctx context.Context) (*Overview, error) {
	o := &Overview{States: make(map[State]int), Unfinished: []Ending{}}
	ends := make(map[int64]map[State]int)
	damage, err := i.each(ctx, func(s stored) {
		if s.record == nil {
			o.Unreadable++
			return
		}
		o.States[s.record.State]++
		if s.record.State.Final() {
			return
		}
		end := s.key.SessionEnd
		if ends[end] == nil {
			ends[end] = make(map[State]int)
		}
		ends[end][s.record.State]++
	})
	if err = errors.Join(err, damage); err != nil {
		return nil, fmt.Errorf("count sessions: %w", err)
	}
	for end, states := range ends {
		o.Unfinished = append(o.Unfinished, Ending{EndHeight: end, States: states})
	}
	slices.SortFunc(o.Unfinished, func(a, b Ending) int { return cmp.Compare(a.EndHeight, b.EndHeight) })
	if more := len(o.Unfinished) - maxEnds; more > 0 {
		o.Unfinished, o.More = o.Unfinished[:maxEnds], more
	}
	i.addWindows(ctx, o)
	return o, nil
}

// addWindows adds the windows, if the node tells them soon.
func (i *Inspector) addWindows(ctx context.Context, o *Overview) {
	if i.live == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, estimateTime)
	defer cancel()
	height := i.live.height()
	for n := range o.Unfinished {
		w, err := i.live.windowsAt(ctx, o.Unfinished[n].EndHeight)
		if err != nil {
			continue
		}
		o.Unfinished[n].Claim = windowAt(height, w.ClaimOpen, w.ClaimClose)
		o.Unfinished[n].Proof = windowAt(height, w.ProofOpen, w.ProofClose)
	}
}
