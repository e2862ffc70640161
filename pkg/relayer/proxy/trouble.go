package proxy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// troubleInterval is the least time between two lines about the same trouble.
const troubleInterval = 30 * time.Second

// troubles tells the operator of relays that are lost for a reason on this side:
// the service, the store, the chain or the configuration. A line per relay would
// bury it, so there is one for the first relay that is lost for a reason, and
// then one per interval with the number of relays since the last. It holds an
// entry for each service and reason at most.
type troubles struct {
	log *slog.Logger

	mu    sync.Mutex
	known map[trouble]*tally
}

type trouble struct {
	service string
	reason  *relayer.Error
}

// tally is what is known of a trouble.
type tally struct {
	reported time.Time
	relays   int // since then
}

func newTroubles(log *slog.Logger) *troubles {
	return &troubles{log: log, known: make(map[trouble]*tally)}
}

// report takes note of a relay for the service, which is configured or empty,
// that was refused with err at the given time.
func (t *troubles) report(now time.Time, service string, err error) {
	reason := reasonOf(err)
	if reason == nil {
		reason = relayer.ErrInternal
	}
	callerLeft := errors.Is(err, context.Canceled)
	callerSlow := reason == relayer.ErrTimeout && service == ""
	if !onThisSide(reason) || callerLeft || callerSlow {
		return
	}
	relays, due := t.count(now, trouble{service, reason})
	if due {
		t.log.Warn("relays are lost", "service", service, "error", err, causeOf(err), "relays", relays)
	}
}

// count counts a relay and returns how many there were since the last line if
// the next is due.
func (t *troubles) count(now time.Time, what trouble) (relays int, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry := t.known[what]
	if entry == nil {
		entry = &tally{}
		t.known[what] = entry
	}
	entry.relays++
	if now.Sub(entry.reported) < troubleInterval {
		return 0, false
	}
	relays = entry.relays
	*entry = tally{reported: now}
	return relays, true
}

// onThisSide says whether the reason lies with the relay miner or what stands
// behind it, and not with the request.
func onThisSide(reason *relayer.Error) bool {
	return slices.Contains([]*relayer.Error{
		relayer.ErrInternal, relayer.ErrTimeout, relayer.ErrResponseTooLarge, relayer.ErrRequestLimit,
		relayer.ErrUnsupportedTransport, relayer.ErrUndefinedSigner, relayer.ErrInvalidResponse,
		relayer.ErrStoreRelay, relayer.ErrStoreBusy, relayer.ErrStoreClosed,
	}, reason)
}
