package tx

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// ErrDeadline says that a submission's deadline passed before its effect was seen.
var ErrDeadline = errors.New("deadline passed")

// maxFailures is how often a message may be included alone and fail before it is
// given up. Each time costs a fee.
const maxFailures = 3

// pending is a submission in progress. It is owned by its signer's goroutine.
type pending struct {
	sub     *relayer.Submission
	message *codectypes.Any
	digest  digest
	out     chan relayer.Outcome // holds one; sent to and closed by the signer

	ended    bool       // the outcome was delivered
	sentAt   int64      // newest block when it was sent first, 0 if it was not
	attempts []*attempt // that can still be included, or were with effect
	fence    int64      // height that the state must reach for "not in force" to count
	absentAt int64      // height of the state that said so last, 0 if none did
	inForce  bool       // the state said so
	unknown  error      // why the state could not be asked just now
	heldTill int64      // do not try again before this height, since it was refused

	limit    int     // messages that may travel with it, itself included; 0 is any number
	suspect  bool    // refused by simulation, so it travels with its like only
	failures int     // times that it was included alone and failed
	gas      float64 // factor on the gas limit, for messages that ran out of it
	refusal  error   // the chain's latest no to it
	unpaid   error   // why its fee could not be paid last, nil since it was
	trouble  error   // what was in the way last
	fatal    error   // why no transaction can carry it
}

func newPending(sub *relayer.Submission) (*pending, error) {
	message, err := codectypes.NewAnyWithValue(sub.Msg)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalidSubmission, sub.Key, err)
	}
	return &pending{sub: sub, message: message, digest: digestOf(message), out: make(chan relayer.Outcome, 1), gas: 1}, nil
}

// invalid returns why the message can never pass, or nil.
func (p *pending) invalid() error {
	if checked, ok := p.sub.Msg.(cosmostypes.HasValidateBasic); ok {
		return checked.ValidateBasic()
	}
	return nil
}

// free reports whether the message may travel in a new transaction that could be
// included in the block after height.
func (p *pending) free(height int64) bool {
	return len(p.attempts) == 0 && p.absentAt > 0 && p.absentAt >= p.fence &&
		height >= p.heldTill && height+1 <= p.sub.Deadline
}

// overdue reports whether the state that said that the message is not in force
// includes the last block that could have put it there.
func (p *pending) overdue(height int64) bool {
	return height >= p.sub.Deadline && p.absentAt >= p.sub.Deadline
}

// lost returns the outcome of a submission that is overdue. One that the chain
// has never taken has failed; for one that was under way the time was too short.
func (p *pending) lost(height int64) relayer.Outcome {
	if p.refusal != nil && len(p.attempts) == 0 {
		return relayer.Outcome{State: relayer.Failed, Height: height, Err: p.refusal}
	}
	if len(p.attempts) == 0 && p.sentAt == 0 && errors.Is(p.unpaid, ErrUnprofitable) {
		return relayer.Outcome{State: relayer.Unprofitable, Height: height, Err: p.unpaid}
	}
	err := fmt.Errorf("%s: %w: %d", p.sub.Key, ErrDeadline, p.sub.Deadline)
	for _, a := range p.attempts {
		if a.rec.Included > 0 {
			err = fmt.Errorf("%w, though transaction %s was included at height %d", err, a.rec.Hash, a.rec.Included)
		}
	}
	if reason := errors.Join(p.refusal, p.unpaid, p.trouble); reason != nil {
		err = fmt.Errorf("%w: %w", err, reason)
	}
	return relayer.Outcome{State: relayer.NotIncluded, Height: height, Err: err}
}

// sent notes that the message was sent when a block was the newest.
func (p *pending) sent(height int64) {
	if p.sentAt == 0 || height < p.sentAt {
		p.sentAt = height
	}
}

// leave takes the message out of an attempt.
func (p *pending) leave(a *attempt) {
	p.attempts = slices.DeleteFunc(p.attempts, func(other *attempt) bool { return other == a })
}

// class says which messages may share a transaction, and which go first. One that
// was refused must not hold up the others, and the price that is paid for a
// mandatory one is not paid for others.
func (p *pending) class() int {
	class := 0
	if !p.sub.Mandatory {
		class += 2
	}
	if p.suspect {
		class++
	}
	return class
}

// room is what a transaction of several messages may have at most.
type room struct {
	messages int
	bytes    int
	gas      uint64 // 0 is no bound
}

// pack cuts submissions into batches, one per transaction: those that are
// mandatory first, within these those that are due first. No batch has more than most
// nor more messages than any of its members allows, unless it has one message. gas
// tells what a message is expected to ask for.
func pack(free []*pending, most room, gas func(*pending) uint64) [][]*pending {
	order := slices.Clone(free)
	slices.SortStableFunc(order, func(a, b *pending) int {
		return cmp.Or(cmp.Compare(a.class(), b.class()), cmp.Compare(a.sub.Deadline, b.sub.Deadline))
	})
	var batches [][]*pending
	var open []*pending
	used := room{bytes: envelopeBytes}
	allowed := most.messages
	for _, p := range order {
		more := room{bytes: p.bytes(), gas: gas(p)}
		limit := most.messages
		if p.limit > 0 {
			limit = min(limit, p.limit)
		}
		full := len(open) >= min(allowed, limit) || used.bytes+more.bytes > most.bytes ||
			most.gas > 0 && used.gas+more.gas > most.gas
		if len(open) > 0 && (full || open[0].class() != p.class()) {
			batches = append(batches, open)
			open, used, allowed = nil, room{bytes: envelopeBytes}, most.messages
		}
		open, allowed = append(open, p), min(allowed, limit)
		used.bytes, used.gas = used.bytes+more.bytes, used.gas+more.gas
	}
	if len(open) > 0 {
		batches = append(batches, open)
	}
	return batches
}

// bytes bounds what the message adds to a transaction.
func (p *pending) bytes() int { return len(p.message.Value) + len(p.message.TypeUrl) + messageBytes }

// messageBytes bounds what the encoding adds to a message: tags and lengths.
const messageBytes = 16
