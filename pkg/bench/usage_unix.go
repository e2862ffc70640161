//go:build linux || darwin

package bench

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// processUsage returns the CPU time and the peak of resident bytes of the process.
func processUsage() (time.Duration, int64, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, 0, fmt.Errorf("resource usage of the process: %w", err)
	}
	peak := int64(usage.Maxrss)
	if runtime.GOOS == "linux" { // there in KiB
		peak *= 1024
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), peak, nil
}

// AllowFiles makes room for n open files if that is allowed, and returns how many
// there can be. Processes that are started later inherit it.
func AllowFiles(n uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	if limit.Cur >= n {
		return limit.Cur, nil
	}
	for _, wanted := range []syscall.Rlimit{{Cur: n, Max: max(n, limit.Max)}, {Cur: limit.Max, Max: limit.Max}} {
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted) == nil {
			return wanted.Cur, nil
		}
	}
	return limit.Cur, nil // the first needs a privilege, and so can the second
}
