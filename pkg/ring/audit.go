package ring

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Disagreement is a signature on which Verifier and Reference did not agree. The verdict
// that was returned is Reference's.
type Disagreement struct {
	Message   [32]byte
	Signature []byte
	Verifier  error
	Reference error
}

// auditor compares verdicts with Reference's.
type auditor struct {
	options   *options
	reference func([32]byte, Signature) error

	// Refusals have a budget of their own, so that who sends bad signatures does
	// not use up what good ones are audited with.
	validBudget, refusedBudget *budget

	// seed is a secret by which it is drawn what is audited: who knew that beforehand
	// could have the audit see nothing but good signatures.
	seed maphash.Seed

	valid         atomic.Uint64
	audited       atomic.Uint64
	disagreements atomic.Uint64
	referenceOnly atomic.Bool
}

func (a *auditor) init(o *options, now func() time.Time) {
	a.options = o
	a.reference = Reference{}.Verify
	a.seed = maphash.MakeSeed()
	a.validBudget = newBudget(o.auditShare, now)
	a.refusedBudget = newBudget(o.auditShare, now)
}

// audit returns the verdict to be given to the caller.
func (a *auditor) audit(message [32]byte, s Signature, verdict error) error {
	switch {
	case errors.Is(verdict, errFault):
		return a.compare(message, s, verdict)
	case verdict != nil:
		a.refusedBudget.spend(func() { verdict = a.compare(message, s, verdict) })
	case a.drawn(a.valid.Add(1) - 1):
		a.validBudget.spend(func() { verdict = a.compare(message, s, verdict) })
	}
	return verdict
}

// drawn says whether the valid signature of that number is to be audited: one of each
// auditEvery in a row.
func (a *auditor) drawn(number uint64) bool {
	every := uint64(a.options.auditEvery)
	return maphash.Comparable(a.seed, number/every)%every == number%every
}

// compare returns Reference's verdict, and counts and reports it if the
// Verifier's was another.
func (a *auditor) compare(message [32]byte, s Signature, verdict error) error {
	truth := a.reference(message, s)
	a.audited.Add(1)
	if sameVerdict(verdict, truth) {
		return verdict
	}
	count := a.disagreements.Add(1)
	if limit := a.options.fallbackAfter; limit > 0 && count >= limit {
		a.referenceOnly.Store(true)
	}
	a.options.onDisagreement(Disagreement{
		Message:   message,
		Signature: append([]byte(nil), s.bz...),
		Verifier:  verdict,
		Reference: truth,
	})
	return truth
}

// sameVerdict tells whether both are nil, or both ErrInvalid, or both ErrMalformed.
func sameVerdict(a, b error) bool {
	return (a == nil) == (b == nil) &&
		errors.Is(a, ErrInvalid) == errors.Is(b, ErrInvalid) &&
		errors.Is(a, ErrMalformed) == errors.Is(b, ErrMalformed)
}

// budget bounds how much of a core some work takes: it fills with time and is
// emptied by work. A share of zero never has any left. It may be overdrawn by the last piece of work.
type budget struct {
	share float64 // of one core
	now   func() time.Time

	mu   sync.Mutex
	left time.Duration
	seen time.Time
}

// burst is what a budget holds at most, when nothing was spent for long.
const burst = 100 * time.Millisecond

func newBudget(share float64, now func() time.Time) *budget {
	return &budget{share: share, now: now, left: burst, seen: now()}
}

// spend does the work if something of the budget is left, and returns whether.
func (b *budget) spend(work func()) bool {
	b.mu.Lock()
	begin := b.now()
	b.left = min(burst, b.left+time.Duration(float64(begin.Sub(b.seen))*b.share))
	b.seen = begin
	enough := b.left > 0 && b.share > 0
	b.mu.Unlock()
	if !enough {
		return false
	}
	work()
	cost := b.now().Sub(begin)
	b.mu.Lock()
	b.left -= cost
	b.mu.Unlock()
	return true
}
