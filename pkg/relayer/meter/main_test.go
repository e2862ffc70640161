package meter

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The key ring's library starts a goroutine of its own when it is loaded.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}
