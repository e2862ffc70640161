package tx

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// Stats is what a Submitter has done since it was made, and what it has in hand.
type Stats struct {
	Signers int // with an owner
	// Unordered is how many of the signers send unordered transactions. Those of the
	// others have sequence numbers, since the chain has refused unordered ones.
	Unordered int
	Pending   int // submissions without outcome

	InForce     uint64 // submissions that ended so
	Failed      uint64
	NotIncluded uint64
	// Unprofitable ones were never sent.
	Unprofitable uint64

	Attempts       uint64 // transactions signed and recorded
	Rebroadcasts   uint64 // sent again, the same bytes
	Refused        uint64 // attempts that a node refused
	Unreachable    uint64 // calls that got no answer
	Included       uint64 // attempts seen in a block with effect
	IncludedFailed uint64 // attempts seen in a block without effect
	FeesUpokt      uint64 // of attempts seen in a block

	// Delay is how many blocks passed between the first time that a message was sent
	// and the state that showed its effect.
	Delay Histogram
	// Failures counts refusals by simulation, for each message that is refused by
	// itself, by the node, and in blocks. It has maxFailureKinds entries at most and
	// one for all others, whose codespace is OtherFailures.
	Failures map[Failure]uint64
}

// Failure is the kind of a refusal.
type Failure struct {
	Codespace string
	Code      uint32
}

// OtherFailures is the codespace of failures that are not told apart any more.
const OtherFailures = "other"

// maxFailureKinds bounds the failures that are told apart.
const maxFailureKinds = 64

// Histogram counts values by size.
type Histogram struct {
	Counts [delayBounds]uint64 // of values up to each of DelayBounds
	Count  uint64              // of all
	Sum    uint64
}

// delayBounds is how many bounds there are.
const delayBounds = 9

// DelayBounds returns the upper bounds of the counts in Stats.Delay, in blocks.
func DelayBounds() [delayBounds]uint64 { return [...]uint64{1, 2, 3, 4, 6, 8, 12, 16, 32} }

// note counts a value.
func (h *Histogram) note(value uint64) {
	for i, bound := range DelayBounds() {
		if value <= bound {
			h.Counts[i]++
		}
	}
	h.Count++
	h.Sum += value
}

// counters are added to by all signers.
type counters struct {
	ordered                             atomic.Int64 // signers whose transactions have sequence numbers
	inForce, failed, notIncluded        atomic.Uint64
	unprofitable                        atomic.Uint64
	attempts, rebroadcasts, refused     atomic.Uint64
	unreachable                         atomic.Uint64
	included, includedFailed, feesUpokt atomic.Uint64

	mu       sync.Mutex
	delay    Histogram
	failures map[Failure]uint64
}

// delayed counts how many blocks a message took.
func (c *counters) delayed(blocks int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay.note(uint64(max(blocks, 0)))
}

// refusal counts a refusal by its kind.
func (c *counters) refusal(r *chain.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures == nil {
		c.failures = make(map[Failure]uint64)
	}
	kind := Failure{r.Codespace, r.Code}
	if _, known := c.failures[kind]; !known && len(c.failures) >= maxFailureKinds {
		kind = Failure{Codespace: OtherFailures}
	}
	c.failures[kind]++
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		InForce:        c.inForce.Load(),
		Failed:         c.failed.Load(),
		NotIncluded:    c.notIncluded.Load(),
		Unprofitable:   c.unprofitable.Load(),
		Attempts:       c.attempts.Load(),
		Rebroadcasts:   c.rebroadcasts.Load(),
		Refused:        c.refused.Load(),
		Unreachable:    c.unreachable.Load(),
		Included:       c.included.Load(),
		IncludedFailed: c.includedFailed.Load(),
		FeesUpokt:      c.feesUpokt.Load(),
		Delay:          c.delay,
		Failures:       maps.Clone(c.failures),
	}
}
