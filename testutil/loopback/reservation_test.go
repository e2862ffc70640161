package loopback

import (
	"fmt"
	"net"
	"strconv"
	"testing"
)

// few is a range with few ports, of which nobody listens on any at the start.
func few(t *testing.T, ports int) (first, last int) {
	t.Helper()
	r, err := Reserve(15_000, 19_000)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if first, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return first, first + ports - 1
}

func TestReserve_PortIsReservedOnceUntilItIsReleased(t *testing.T) {
	first, last := few(t, 1)
	held, err := Reserve(first, last)
	if err != nil {
		t.Fatal(err)
	}
	if addr := fmt.Sprintf("127.0.0.1:%d", first); held.Addr() != addr {
		t.Errorf("reserved %s, want %s", held.Addr(), addr)
	}
	if second, err := Reserve(first, last); err == nil {
		t.Errorf("%s is reserved twice", second.Addr())
	}
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Reserve(first, last)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestReserve_PortThatIsListenedOnIsNotReserved(t *testing.T) {
	first, last := few(t, 1)
	held, err := Reserve(first, last)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a server that goes and comes back
		listener, err := held.Listen()
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := held.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	if r, err := Reserve(first, last); err == nil {
		t.Errorf("%s is reserved while somebody listens", r.Addr())
	}
}

func TestReservation_AnotherProcessCanListen(t *testing.T) {
	r, err := Reserve(15_000, 19_000)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	listener, err := net.Listen("tcp", r.Addr()) // as one that knows the address only
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}
