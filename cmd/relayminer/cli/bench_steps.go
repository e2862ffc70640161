package cli

import "github.com/seed52205347/relayminer/pkg/bench"

// relaySteps are the steps of a relay, by the functions that take them. The first that
// matches counts.
func relaySteps() []bench.Step {
	const module = "github.com/seed52205347/relayminer/pkg/"
	return []bench.Step{
		{Name: "collect garbage", Functions: []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcAssistAlloc"}},
		{Name: "audit by ring-go", Functions: []string{module + "ring.Reference"}},
		{Name: "verify the ring signature", Functions: []string{"auth.(*rings).checkSignature"}},
		{Name: "look up session and ring", Functions: []string{"auth.(*Authenticator).VerifyRelayRequest"}},
		{Name: "sign the reply", Functions: []string{"auth.(*Authenticator).SignRelayResponse"}},
		{Name: "meter", Functions: []string{module + "relayer/meter"}},
		{Name: "ask the service", Functions: []string{"backend.(*HTTP).Do", "net/http.(*persistConn)", "net/http.(*Transport)"}},
		{Name: "mine", Functions: []string{module + "miner"}},
		{Name: "store", Functions: []string{module + "session", "github.com/cockroachdb/pebble"}},
		{Name: "pass on and wait", Functions: []string{"proxy.(*pipeline).store", module + "observable"}},
		{Name: "build tables of rings", Functions: []string{module + "ring.(*builder)"}},
		{Name: "read request, write reply", Functions: []string{"net/http.(*conn)", "net/http.(*Server)", "net/http.(*connReader)"}},
		{Name: "schedule goroutines", Functions: []string{"runtime.mcall", "runtime.schedule", "runtime.park_m", "runtime.sysmon", "runtime.goexit0", "runtime.systemstack"}},
	}
}
