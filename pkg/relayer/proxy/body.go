package proxy

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

const (
	// firstBuffer bounds the memory in bytes that is taken for a body before its
	// bytes arrive, whatever length the request declares.
	firstBuffer = 4 << 10
	// leastRation is the least bound in bytes of all request bodies together.
	leastRation = 512 << 20
	// rationBodies is how many bodies of the largest size fit in the ration.
	rationBodies = 8
	// bodyTime is how long a body may take to arrive, beside the time that it
	// needs at leastRate bytes a second.
	bodyTime  = 10 * time.Second
	leastRate = 256 << 10
)

// ration bounds the bytes of requests and of services' answers that are held at a
// time, by all servers together. A request for whose next bytes nothing is left is refused:
// to wait would hold on to what it has already.
type ration struct {
	limit int64
	used  atomic.Int64
}

func newRation(largestBody int64) *ration {
	if largestBody > math.MaxInt64/rationBodies {
		return &ration{limit: math.MaxInt64}
	}
	return &ration{limit: max(leastRation, rationBodies*largestBody)}
}

// largestBody returns the most bytes that a request or an answer of a service can have.
func largestBody(services []*config.Service) int64 {
	var largest int64
	for _, service := range services {
		largest = max(largest, service.MaxBodySize, service.MaxResponseSize)
	}
	return largest
}

// reader returns a reader of source that takes what it reads from the ration.
func (r *ration) reader(source io.Reader) *rationed { return &rationed{source: source, ration: r} }

// rationed is the body of one request. Whoever made it releases it when the relay
// is done and its reply received.
type rationed struct {
	source io.Reader
	ration *ration
	taken  int64
}

// Read reads as long as the ration lasts.
func (b *rationed) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if refused := b.hold(int64(n)); refused != nil {
		return n, refused
	}
	return n, err
}

// hold takes that many bytes from the ration.
func (b *rationed) hold(bytes int64) error {
	b.taken += bytes
	if b.ration.used.Add(bytes) > b.ration.limit {
		return relayer.ErrRequestLimit.Wrapf("the requests being served are too many bytes")
	}
	return nil
}

// release gives back what was taken.
func (b *rationed) release() { b.ration.used.Add(-b.taken) }

// bodyDeadline returns when the body of a request that arrived then must be there.
func (s *httpServer) bodyDeadline(arrival time.Time) time.Time {
	seconds := min(s.maxBody/leastRate, int64(s.timeout/time.Second)) // more make no difference
	atLeastRate := time.Duration(seconds) * time.Second
	return arrival.Add(min(s.timeout, bodyTime+atLeastRate))
}

// readBody reads the request's body through source into the buffer, and lifts the
// limit of the time for that.
func (s *httpServer) readBody(
	w http.ResponseWriter,
	r *http.Request,
	source *rationed,
	body *bytes.Buffer,
) error {
	if r.ContentLength > s.maxBody {
		return tooLarge(s.maxBody)
	}
	body.Grow(int(min(max(r.ContentLength, 0)+bytes.MinRead, firstBuffer)))
	if _, err := body.ReadFrom(source); err != nil {
		return unreadable(err)
	}
	// net/http goes on reading to learn when the caller leaves, and would take
	// the end of the deadline for that.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		return relayer.ErrInternal.Wrapf("lift the limit of the time for the body: %w", err)
	}
	return nil
}

// unreadable says why a request's body could not be read.
func unreadable(err error) error {
	var limit *http.MaxBytesError
	switch {
	case reasonOf(err) != nil:
		return err
	case errors.As(err, &limit):
		return tooLarge(limit.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return relayer.ErrTimeout.Wrapf("the body did not arrive in time")
	default:
		return relayer.ErrMalformedRequest.Wrapf("the body ended early")
	}
}

func tooLarge(limit int64) error {
	return relayer.ErrBodyTooLarge.Wrapf("%d bytes are allowed", limit)
}
