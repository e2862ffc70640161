package bench

import (
	"runtime"
	"time"
)

// Usage is what this process has used since it began.
type Usage struct {
	CPU     time.Duration // of all threads, in user and system mode
	PeakRSS int64         // bytes that were resident at most
	Objects uint64        // allocated on the heap
	Bytes   uint64        // allocated on the heap
}

// ReadUsage returns what was used until now. The error is that the operating system
// does not tell.
func ReadUsage() (Usage, error) {
	cpu, peak, err := processUsage()
	if err != nil {
		return Usage{}, err
	}
	objects, bytes := allocated()
	return Usage{CPU: cpu, PeakRSS: peak, Objects: objects, Bytes: bytes}, nil
}

// allocated returns how many objects and bytes were allocated on the heap, exactly, for
// which it stops the world.
func allocated() (objects, bytes uint64) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs, stats.TotalAlloc
}

// Since returns what was used after the earlier reading. PeakRSS is that of u.
func (u Usage) Since(earlier Usage) Usage {
	return Usage{
		CPU: u.CPU - earlier.CPU, PeakRSS: u.PeakRSS,
		Objects: u.Objects - earlier.Objects, Bytes: u.Bytes - earlier.Bytes,
	}
}
