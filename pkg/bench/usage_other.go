//go:build !linux && !darwin

package bench

import (
	"errors"
	"time"
)

var errUnsupported = errors.New("resource usage is not known on this operating system")

func processUsage() (time.Duration, int64, error) { return 0, 0, errUnsupported }

// AllowFiles makes room for n open files if that is allowed, and returns how many
// there can be.
func AllowFiles(uint64) (uint64, error) { return 0, errUnsupported }
