package relayer

import (
	"context"
	"sync"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// Receipts tells the proxy what became of a relay that it has published, so
// that a reply leaves only when the relay is safe.
//
// Relays travel through observables, which have no way back. The proxy calls
// Expect before it publishes a relay; whoever ends the relay's way calls
// Resolve exactly then: the miner for a relay that does not meet the difficulty,
// the sessions manager when the relay is durable or refused. The zero value is
// ready to use; all methods may be called concurrently.
type Receipts struct {
	mu      sync.Mutex
	waiting map[*servicetypes.Relay]*Receipt
}

// Expect registers the relay, which must not be expected already, and returns its
// receipt. The caller must Wait for it.
func (r *Receipts) Expect(relay *servicetypes.Relay) *Receipt {
	receipt := &Receipt{receipts: r, relay: relay, outcome: make(chan error, 1), gone: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = make(map[*servicetypes.Relay]*Receipt)
	}
	r.waiting[relay] = receipt
	return receipt
}

// Resolve says what became of the relay: nil that its evidence is safe or is
// not needed, otherwise why it will not be claimed. Relays that nobody expects,
// or not any more, are ignored.
func (r *Receipts) Resolve(relay *servicetypes.Relay, err error) {
	if receipt := r.remove(relay); receipt != nil {
		receipt.outcome <- err // buffered, and written once: it was just removed
	}
}

// Drain waits until the relays for which match returns true, and which are
// expected now, are resolved or not expected any more. It returns the cause of
// ctx if that ends first.
func (r *Receipts) Drain(ctx context.Context, match func(*servicetypes.Relay) bool) error {
	r.mu.Lock()
	var matching []*Receipt
	for relay, receipt := range r.waiting {
		if match(relay) {
			matching = append(matching, receipt)
		}
	}
	r.mu.Unlock()
	for _, receipt := range matching {
		select {
		case <-receipt.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Pending returns the number of relays that are published and not resolved.
func (r *Receipts) Pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

func (r *Receipts) remove(relay *servicetypes.Relay) *Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	receipt := r.waiting[relay]
	if receipt != nil {
		delete(r.waiting, relay)
		close(receipt.gone)
	}
	return receipt
}

// Receipt is the right to learn what became of one relay.
type Receipt struct {
	receipts *Receipts
	relay    *servicetypes.Relay
	outcome  chan error
	gone     chan struct{} // closed when the relay is not expected any more
}

// Wait returns what became of the relay, or the cause of ctx if that ends first;
// the relay may still be stored and claimed then.
func (r *Receipt) Wait(ctx context.Context) error {
	select {
	case err := <-r.outcome:
		return err
	case <-ctx.Done():
	}
	r.receipts.remove(r.relay)
	select {
	case err := <-r.outcome: // resolved at the last moment
		return err
	default:
		return context.Cause(ctx)
	}
}
