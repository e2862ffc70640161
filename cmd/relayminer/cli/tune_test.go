package cli

import (
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
