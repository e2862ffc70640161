package async

import (
	"context"
	"fmt"
	"time"
)

// Restart says how often and how soon a failed function is run again. Zero
// fields, and negative ones, take the default named.
type Restart struct {
	// Attempts is how many times in a row the function may fail before it is
	// given up; the first run counts. Default 5.
	Attempts int
	// First is the pause after the first failure. Each further failure in a row
	// doubles the pause. Default 1 second.
	First time.Duration
	// Max bounds the pause. Default 1 minute.
	Max time.Duration
	// Healthy is how long the function must have run for its failure to count
	// as the first in a row again. Default 10 minutes.
	Healthy time.Duration
	// OnRetry, if set, is told of each failure that is followed by another run:
	// how many there were in a row, and the pause until the next run.
	OnRetry func(name string, failures int, pause time.Duration, err error)
}

func (r Restart) withDefaults() Restart {
	if r.Attempts <= 0 {
		r.Attempts = 5
	}
	if r.First <= 0 {
		r.First = time.Second
	}
	if r.Max <= 0 {
		r.Max = time.Minute
	}
	if r.Healthy <= 0 {
		r.Healthy = 10 * time.Minute
	}
	if r.OnRetry == nil {
		r.OnRetry = func(string, int, time.Duration, error) {}
	}
	return r
}

// pause returns the pause after the given number of failures in a row.
func (r Restart) pause(failures int) time.Duration {
	pause := r.First
	for range failures - 1 {
		if pause >= r.Max/2 {
			return r.Max
		}
		pause *= 2
	}
	return min(pause, r.Max)
}

// GaveUpError is the failure of a supervised function that failed too often in
// a row.
type GaveUpError struct {
	Name     string
	Attempts int
	Err      error // the last failure
}

// Error names the function, the number of attempts and the last failure.
func (e *GaveUpError) Error() string {
	return fmt.Sprintf("%s failed %d times in a row, last: %v", e.Name, e.Attempts, e.Err)
}

// Unwrap returns the last failure.
func (e *GaveUpError) Unwrap() error { return e.Err }

// Supervise runs fn on a new goroutine, as Go does, and runs it again when it
// fails or panics, after a pause that grows with each failure in a row. It ends
// when fn returns nil, when the group is stopped, or when fn has failed too
// often, which is a failure of the goroutine: a *GaveUpError. A function that
// calls runtime.Goexit is not run again.
func (g *Group) Supervise(name string, restart Restart, fn func(ctx context.Context) error) error {
	r := restart.withDefaults()
	return g.Go(name, func(ctx context.Context) error {
		failures := 0
		for {
			started := time.Now()
			err := protect(ctx, fn)
			if err == nil || ctx.Err() != nil {
				return err
			}
			if time.Since(started) >= r.Healthy {
				failures = 0
			}
			failures++
			if failures >= r.Attempts {
				return &GaveUpError{Name: name, Attempts: failures, Err: err}
			}
			pause := r.pause(failures)
			r.OnRetry(name, failures, pause, err)
			if !Sleep(ctx, pause) {
				return nil
			}
		}
	})
}
