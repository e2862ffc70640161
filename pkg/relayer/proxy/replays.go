package proxy

import (
	"context"
	"sync"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// maxReplays is how many answered relays are kept in mind at least; twice that
// many are at most, which take some 10 MB.
const maxReplays = 1 << 16

// replays refuses relays that were answered, or are being answered: who has seen a
// relay pass could have the service work again, at nobody's cost. Honest gateways
// sign each relay anew. At its bound the older half is forgotten, and a relay that
// is older still is served again; its evidence is stored once where the answer is
// the same. The zero value is ready to use.
type replays struct {
	mu       sync.Mutex
	inFlight map[[32]byte]struct{} // bounded by the relays in flight
	newer    map[[32]byte]struct{}
	older    map[[32]byte]struct{}
}

// enter notes that a relay is being answered. It is false if it is a replay. A
// relay that was entered must leave.
func (r *replays) enter(fingerprint [32]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range []map[[32]byte]struct{}{r.inFlight, r.newer, r.older} {
		if _, ok := known[fingerprint]; ok {
			return false
		}
	}
	if r.inFlight == nil {
		r.inFlight = make(map[[32]byte]struct{})
	}
	r.inFlight[fingerprint] = struct{}{}
	return true
}

// leave notes that the relay was answered, or that it was refused and may come again.
func (r *replays) leave(fingerprint [32]byte, answered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inFlight, fingerprint)
	if !answered {
		return
	}
	if r.newer == nil || len(r.newer) >= maxReplays {
		r.newer, r.older = make(map[[32]byte]struct{}), r.newer
	}
	r.newer[fingerprint] = struct{}{}
}

// serveOnce is serve for a relay that was not answered before.
func (p *pipeline) serveOnce(
	ctx context.Context,
	deadline time.Time,
	service *config.Service,
	request *servicetypes.RelayRequest,
	forward forwarder,
) (response *servicetypes.RelayResponse, err error) {
	fingerprint, ok := auth.Fingerprint(request.Meta.Signature)
	if !ok { // the authenticator says what is wrong with it
		return p.serve(ctx, deadline, service, request, forward)
	}
	if !p.replays.enter(fingerprint) {
		return nil, relayer.ErrInvalidRequest.Wrapf("a relay with this signature was sent before")
	}
	defer func() { p.replays.leave(fingerprint, response != nil) }()
	return p.serve(ctx, deadline, service, request, forward)
}
