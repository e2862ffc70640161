package cli

import (
	"math"
	"runtime"
	"testing"

	"github.com/seed52205347/relayminer/pkg/async"
)

func TestTuneRuntime_AddsAProcessorUnlessTheEnvironmentSaysHowMany(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(async.Cores()))
	t.Setenv("GOMAXPROCS", "1")
	tuneRuntime()
	if got := runtime.GOMAXPROCS(0); got != async.Cores() {
		t.Errorf("%d processors though the environment says how many", got)
	}
	t.Setenv("GOMAXPROCS", "")
	for range 2 {
		tuneRuntime()
		if got := runtime.GOMAXPROCS(0); got != async.Cores()+1 {
			t.Errorf("%d processors for %d cores", got, async.Cores())
		}
	}
}

func TestTuneRuntime_ReserveDoesNotUseUpASmallMemoryLimit(t *testing.T) {
	for limit, want := range map[int64]bool{math.MaxInt64: true, 4 << 30: true, 512 << 20: false, 100 << 20: false} {
		if got := reserves(limit); got != want {
			t.Errorf("reserve with a limit of %d bytes: %v, want %v", limit, got, want)
		}
	}
}
