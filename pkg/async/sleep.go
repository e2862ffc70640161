package async

import (
	"context"
	"time"
)

// Sleep waits for d and reports false if ctx ends first. Where d is not positive it
// reports at once whether ctx lasts.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
