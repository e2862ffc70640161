//go:build unix

package proxy

import "syscall"

// openFiles returns how many files the process can have open, 0 if that is not known.
// Go has raised it to what the system allows.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
