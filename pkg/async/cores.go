package async

import "runtime"

// cores is read before anyone asks for more processors than there are cores.
var cores = runtime.GOMAXPROCS(0)

// Cores returns how many cores the process can use: what GOMAXPROCS was when it
// started, which obeys the environment variable of that name and the limits of
// a container.
func Cores() int { return cores }
