package cli

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

func TestTuneRuntime_TheReserveTakesNoMemory(t *testing.T) {
	tuneRuntime()
	if got := len(reserveHeap()); got != heapReserve {
		t.Errorf("reserve of %d bytes", got)
	}
	if touched := resident(t, reserveHeap()); touched > heapReserve/100 {
		t.Errorf("%d bytes of the reserve are resident", touched)
	}
}

// resident returns how many bytes of whole pages in b are in memory.
func resident(t *testing.T, b []byte) (bytes int) {
	t.Helper()
	page := os.Getpagesize()
	address := uintptr(unsafe.Pointer(&b[0]))
	skip := (page - int(address%uintptr(page))) % page
	b = b[skip : len(b)-(len(b)-skip)%page]
	in := make([]byte, len(b)/page)
	_, _, errno := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0])))
	if errno != 0 {
		t.Fatal(errno)
	}
	for _, flags := range in {
		bytes += int(flags&1) * page
	}
	return bytes
}
