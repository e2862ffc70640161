package proxy

import (
	"fmt"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// hurried makes the server's only service one of small requests that arrive soon.
func hurried(s *httpServer) {
	s.timeout, s.maxBody = 50*time.Millisecond, 1000
}

func TestServer_BodyThatIsNotWantedIsNotWaitedForEither(t *testing.T) {
	busy := func(s *httpServer) {
		hurried(s)
		receipts := &relayer.Receipts{}
		for range maxUnstored {
			receipts.Expect(&servicetypes.Relay{})
		}
		s.pipeline.receipts = receipts
	}
	for _, c := range []struct {
		name, line string
		declared   int64
		change     func(*httpServer)
	}{
		{"too large", "POST /", 1001, hurried},
		{"too much to do", "POST /", 1000, busy},
		{"question to the server", "OPTIONS *", 1000, hurried},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, address := listening(t, 10, c.change)
			conn := call(t, address, fmt.Sprintf("%s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\nx", c.line, c.declared))
			status(t, conn)
		})
	}
}
