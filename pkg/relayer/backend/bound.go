package backend

import (
	"sync"
	"sync/atomic"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// bound limits how many requests wait for services at a time: all together, and for one
// of several services to half of that, so that a slow one leaves room for the others.
type bound struct {
	most, each int64 // of all and of one service; 0 is without a limit
	waiting    atomic.Int64
	services   sync.Map // from the host of a service to *atomic.Int64
}

// enter counts a request to the host, until leave is called. It refuses one too many with
// relayer.ErrRequestLimit.
func (b *bound) enter(host string) (leave func(), err error) {
	if b.most == 0 {
		return func() {}, nil
	}
	counter, ok := b.services.Load(host)
	if !ok { // there are as many as are configured
		counter, _ = b.services.LoadOrStore(host, new(atomic.Int64))
	}
	own := counter.(*atomic.Int64)
	leave = func() {
		own.Add(-1)
		b.waiting.Add(-1)
	}
	all, here := b.waiting.Add(1), own.Add(1)
	if all > b.most || here > b.each {
		leave()
		return nil, relayer.ErrRequestLimit.Wrapf("%d relays wait for the service, %d for all", here-1, all-1)
	}
	return leave, nil
}
