package bench

import (
	"context"
	"runtime"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// stall is the least time that counts as one.
const stall = time.Millisecond

// Stalls are the moments in which a machine does nothing for a program that wants to run all the
// time: it is shared with others, or the operating system has something else to do. No
// latency that is measured there can be better.
type Stalls struct {
	Cores  int           `json:"cores"`
	Time   time.Duration `json:"time_ns"` // for which each core was watched
	Number int           `json:"number"`  // of a millisecond or longer, of all cores
	Sum    time.Duration `json:"sum_ns"`
	Max    time.Duration `json:"max_ns"`
}

// Share returns the part of the time in which a core stood still.
func (s Stalls) Share() float64 {
	if s.Cores == 0 || s.Time <= 0 {
		return 0
	}
	return s.Sum.Seconds() / (s.Time.Seconds() * float64(s.Cores))
}

// MeasureStalls keeps all cores busy for that long, or until ctx ends, and returns when they
// stood still. Nothing else may be running.
func MeasureStalls(ctx context.Context, length time.Duration) (Stalls, error) {
	each := make([]Stalls, async.Cores())
	began := time.Now()
	err := parallel(ctx, len(each), func(ctx context.Context, n int) error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		each[n].watch(ctx, began.Add(length))
		return nil
	})
	all := Stalls{Cores: len(each), Time: time.Since(began)}
	for _, s := range each {
		all.Number += s.Number
		all.Sum += s.Sum
		all.Max = max(all.Max, s.Max)
	}
	return all, err
}

// watch looks at the clock all the time.
func (s *Stalls) watch(ctx context.Context, end time.Time) {
	for last := time.Now(); last.Before(end) && ctx.Err() == nil; {
		now := time.Now()
		s.note(now.Sub(last))
		last = now
	}
}

// note takes up the time between two looks at the clock.
func (s *Stalls) note(gap time.Duration) {
	if gap < stall {
		return
	}
	s.Number++
	s.Sum += gap
	s.Max = max(s.Max, gap)
}
