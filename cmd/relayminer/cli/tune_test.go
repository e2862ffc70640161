package cli

import (
	"math"
	"testing"
)

func TestTuneRuntime_ReserveDoesNotUseUpASmallMemoryLimit(t *testing.T) {
	for limit, want := range map[int64]bool{math.MaxInt64: true, 4 << 30: true, 512 << 20: false, 100 << 20: false} {
		if got := reserves(limit); got != want {
			t.Errorf("reserve with a limit of %d bytes: %v, want %v", limit, got, want)
		}
	}
}
