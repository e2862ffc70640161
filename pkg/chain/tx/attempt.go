package tx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// attempt is a signed transaction and the submissions whose messages it carries.
// It is owned by its signer's goroutine.
type attempt struct {
	rec     relayer.TxAttempt
	members []*pending
	carried []*pending // all that were ever members: they have it in their records

	sentAt   int64 // newest block when it was sent last, 0 if not yet by this process
	taken    bool  // a node may have it, for all that is known
	searched int64 // last block that was searched for it
	retired  int64 // newest block when its last member left

	carries    map[digest]bool // its messages, if a former process has made it
	unrecorded bool            // a member has no record of it yet, so it must not be sent
	mute       bool            // it must not be sent
	short      bool            // its fee is all that its signer had left, and below the price
	outbid     bool            // nodes have demanded more since it was sent
	superseded bool            // the process that made it gave it up
}

// join enters a submission in the attempt.
func (a *attempt) join(p *pending) {
	if a.has(p) {
		return
	}
	a.members = append(a.members, p)
	a.carried = append(a.carried, p)
	p.attempts = append(p.attempts, a)
}

func (a *attempt) has(p *pending) bool { return slices.Contains(a.members, p) }

// record makes what is known about the attempt durable with submissions. They are
// told at the same time, so that they share the wait for a disk.
func (a *attempt) record(atOnce int, with []*pending) error {
	failed := make([]error, len(with))
	each(atOnce, len(with), func(i int) {
		p := with[i]
		if err := p.sub.Record(a.rec); err != nil {
			failed[i] = fmt.Errorf("record attempt %s of %s: %w", a.rec.Hash, p.sub.Key, err)
		}
	})
	return errors.Join(failed...)
}

// release gives the messages back. Where the transaction may have been included
// without being seen, the state must reach height before its word counts.
func (a *attempt) release(fence int64) {
	for _, p := range a.members {
		p.leave(a)
		p.fence = max(p.fence, fence)
	}
	a.members = nil
}

// drop takes a submission that has ended out of the attempt.
func (a *attempt) drop(p *pending) {
	a.members = slices.DeleteFunc(a.members, func(member *pending) bool { return member == p })
}
