package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestProxy_StopThatIsOutOfTimeLeavesNothingRunning(t *testing.T) {
	for range 20 {
		f := start(t, nil)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := f.Stop(ctx)
		if errors.Is(err, context.Canceled) && strings.Contains(err.Error(), "goroutines still run") {
			t.Fatalf("error %v", err)
		}
	}
}
