package proxy

import (
	"bytes"
	"runtime"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// streamed is a connection of HTTP/2 on which requests are begun whose bodies do not
// come, by a caller who does not let the server reply with more than headers.
type streamed struct {
	*http2.Framer
	last uint32
}

func stream(t *testing.T, address string) *streamed {
	conn := call(t, address, http2.ClientPreface)
	s := &streamed{Framer: http2.NewFramer(conn, conn)}
	if err := s.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	return s
}

// begin begins a request whose body is declared to be as long as that.
func (s *streamed) begin(t *testing.T, length string) {
	t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}, {"content-length", length},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	s.last += 2
	err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: s.last - 1, BlockFragment: block.Bytes(), EndHeaders: true})
	if err != nil {
		t.Fatal(err)
	}
}

// await returns how many of the next requests that end are replied to, and how many not.
func (s *streamed) await(t *testing.T, ended int) (replied, reset int) {
	t.Helper()
	for replied+reset < ended {
		frame, err := s.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame.(type) {
		case *http2.HeadersFrame:
			replied++
		case *http2.RSTStreamFrame:
			reset++
		}
	}
	return replied, reset
}

func TestServer_RelaysOfOneNetworkHaveABoundWhateverTheirConnections(t *testing.T) {
	const most = 20
	s, address := listening(t, most, unchanged)
	first, second := stream(t, address), stream(t, address)
	for range most / 2 {
		first.begin(t, "1000")
	}
	for s.flights.number() < most/2 {
		runtime.Gosched()
	}
	for range 2*most - most/2 {
		second.begin(t, "1000")
	}
	if replied, reset := second.await(t, 2*most-most/2); reset != 0 {
		t.Errorf("%d were refused, %d not replied to", replied, reset)
	}
	second.begin(t, "1000")
	if replied, reset := second.await(t, 1); reset != 1 {
		t.Errorf("replied to %d beyond what may wait to receive a refusal", replied)
	}
	if n := s.relays.number(); n != most/2 {
		t.Errorf("%d relays are being answered, want %d", n, most/2)
	}
}

func TestServer_StreamWhoseBodyDoesNotComeTakesLittleMemory(t *testing.T) {
	const connections, streams = 4, 250
	s, address := listening(t, 2*connections*streams, unchanged)
	before := inUse()
	for range connections {
		c := stream(t, address)
		for range streams {
			c.begin(t, "1000000")
		}
	}
	for s.flights.number() < connections*streams {
		runtime.Gosched()
	}
	if each := (inUse() - before) / (connections * streams); each > 32<<10 {
		t.Errorf("%d bytes are held for a request without a body", each)
	}
}

// inUse returns how many bytes are in use.
func inUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}
