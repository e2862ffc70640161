package chain

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	SetBech32Prefixes()
	goleak.VerifyTestMain(m,
		// Started by the init function of a module that the chain's types import.
		goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}
