package tx

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/chain"
)

func TestMain(m *testing.M) {
	chain.SetBech32Prefixes()
	goleak.VerifyTestMain(m,
		// Started by the init function of a module that the chain's types import.
		goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}
