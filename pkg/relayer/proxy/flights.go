package proxy

import (
	"context"
	"sync"
)

// flights counts the relays that are being answered. net/http does not wait for
// handlers whose connections it has cut. The zero value is ready to use.
type flights struct {
	mu     sync.Mutex
	count  int
	landed chan struct{} // made by who waits first, closed and forgotten when count becomes 0
}

// begin counts a relay until the function that it returns is called.
func (f *flights) begin() (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	return f.end
}

func (f *flights) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count--
	if f.count == 0 && f.landed != nil {
		close(f.landed)
		f.landed = nil
	}
}

// number returns how many relays are being answered.
func (f *flights) number() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// wait returns nil as soon as no relay is being answered, or the error of ctx if
// that ends first.
func (f *flights) wait(ctx context.Context) error {
	f.mu.Lock()
	if f.count == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.landed == nil {
		f.landed = make(chan struct{})
	}
	landed := f.landed
	f.mu.Unlock()
	select {
	case <-landed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
