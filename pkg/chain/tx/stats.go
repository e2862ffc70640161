package tx

import "sync/atomic"

// counters are added to by all signers.
type counters struct {
	ordered                             atomic.Int64 // signers whose transactions have sequence numbers
	inForce, failed, notIncluded        atomic.Uint64
	attempts, rebroadcasts, refused     atomic.Uint64
	unreachable                         atomic.Uint64
	included, includedFailed, feesUpokt atomic.Uint64
}

func (c *counters) snapshot() Stats {
	return Stats{
		InForce:        c.inForce.Load(),
		Failed:         c.failed.Load(),
		NotIncluded:    c.notIncluded.Load(),
		Attempts:       c.attempts.Load(),
		Rebroadcasts:   c.rebroadcasts.Load(),
		Refused:        c.refused.Load(),
		Unreachable:    c.unreachable.Load(),
		Included:       c.included.Load(),
		IncludedFailed: c.includedFailed.Load(),
		FeesUpokt:      c.feesUpokt.Load(),
	}
}
