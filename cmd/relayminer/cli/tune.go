package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/seed52205347/relayminer/pkg/async"
)

// heapReserve is how many bytes the garbage collector takes for used beside what
// is. What a relay miner keeps is small beside what it uses once: without the
// reserve it would collect several times a second, and relays would wait for
// that. The reserve is never written to, so that it takes no memory itself; the
// heap grows to twice its size before it is collected.
const heapReserve = 64 << 20

// leastLimit is the least memory limit in bytes, as set by GOMEMLIMIT, with which there
// is a reserve: it counts for used there, and would have a small one be collected for
// all the time.
const leastLimit = 16 * heapReserve

var reserveHeap = sync.OnceValue(func() []byte { return make([]byte, heapReserve) })

// tuneRuntime has Go's scheduler and garbage collector suit a server that waits
// for the disk all the time. The environment variables GOMAXPROCS and GOGC take
// precedence.
func tuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		// A goroutine in a sync of the disk keeps its processor for a while. One more
		// than there are cores lets others use the core meanwhile.
		runtime.GOMAXPROCS(async.Cores() + 1)
	}
	if os.Getenv("GOGC") == "" && reserves(debug.SetMemoryLimit(-1)) {
		runtime.KeepAlive(reserveHeap())
	}
}

// reserves says whether there is a reserve with the memory limit in bytes.
func reserves(memoryLimit int64) bool { return memoryLimit >= leastLimit }
