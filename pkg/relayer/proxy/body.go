package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

const (
	// firstBuffer bounds the memory in bytes that is taken for a body before its
	// bytes arrive, whatever length the request declares.
	firstBuffer = 64 << 10
	// leastRation is the least bound in bytes of all request bodies together.
	leastRation = 512 << 20
	// rationBodies is how many bodies of the largest size must fit in the ration.
	rationBodies = 8
)

// ration bounds the bytes of the request bodies that are held at a time, by all
// servers together. A request for whose next bytes nothing is left is refused:
// to wait would hold on to what it has already.
type ration struct {
	limit int64
	used  atomic.Int64
}

func newRation(largestBody int64) *ration {
	// Divided rather than multiplied: the largest body can be nearly all of an int64.
	if largestBody > leastRation/rationBodies {
		return &ration{limit: largestBody - largestBody%rationBodies + (leastRation - leastRation%rationBodies)}
	}
	return &ration{limit: leastRation}
}

// body is the body of one request while it is being read and held.
type body struct {
	io.Reader
	ration *ration
	taken  int64
}

// Read reads as long as the ration lasts.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.taken += int64(n)
	if b.ration.used.Add(int64(n)) > b.ration.limit {
		return n, relayer.ErrRequestLimit.Wrapf("too many bytes of requests are being served")
	}
	return n, err
}

// release gives back what the body took.
func (b *body) release() { b.ration.used.Add(-b.taken) }
