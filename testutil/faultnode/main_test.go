package faultnode

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Started by the init function of a module that the chain's types import.
		goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}
