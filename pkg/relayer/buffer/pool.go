package buffer

import (
	"bytes"
	"sync"
)

// MaxKept is the capacity in bytes above which a buffer is not kept for the next
// one: a single large relay must not have its memory held for good.
const MaxKept = 1 << 20

// Pool lends buffers. The zero value is ready to use, and it may be used
// concurrently. How many buffers it keeps is up to the garbage collector, which
// empties it.
type Pool struct {
	pool sync.Pool
}

// Get returns an empty buffer. It is the caller's until it is given to Put, and
// need not be.
func (p *Pool) Get() *bytes.Buffer {
	if b, ok := p.pool.Get().(*bytes.Buffer); ok {
		return b
	}
	return &bytes.Buffer{}
}

// Put takes a buffer back, whose bytes nobody must use any more.
func (p *Pool) Put(b *bytes.Buffer) {
	if b.Cap() > MaxKept {
		return
	}
	b.Reset()
	p.pool.Put(b)
}
