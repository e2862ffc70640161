package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"cosmossdk.io/depinject"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

const (
	// prefetchWorkers is how many questions are asked at a time.
	prefetchWorkers = 9
	// prefetchBurst is how many applications are asked about without a pause: those
	// used last, as soon as workers are free.
	prefetchBurst = 128
	// defaultPrefetchPause leaves the node time for others while it is asked about
	// further applications.
	defaultPrefetchPause = 2 * time.Millisecond
	// prefetchTime bounds what is done at one block.
	prefetchTime = 30 * time.Second
	// idleSessions is for how many sessions after the last one with a relay an
	// application is prepared for. More than one, since our suppliers are not drawn for
	// each.
	idleSessions = 4
)

// SessionPreparer is who has something to learn for the relays of a session.
type SessionPreparer interface {
	// Prepare learns what the first relays of the session would have to wait for. It
	// may be called again for the same session. An error that wraps
	// relayer.ErrInternal says that the chain or the store could not be asked; others
	// are answers.
	Prepare(ctx context.Context, session *sessiontypes.Session) error
}

// PrefetchOptions says which sessions are prepared, and for whom.
type PrefetchOptions struct {
	// Services are the ids of the services that are served.
	Services []string
	// Served returns the sessions that began at height from or later, and before height
	// before, in which relays were served, one for each application and service. The
	// first are prepared first. The slice is the caller's.
	Served func(from, before int64) []*sessiontypes.SessionHeader
	// Preparers are told of each session that is prepared, in this order. They leave
	// those alone in which they have no supplier.
	Preparers []SessionPreparer
	// Pause is the time between two applications, of each of nine workers, after the
	// first 128 applications. Zero means 2 milliseconds.
	Pause time.Duration
}

// Prefetcher prepares sessions when they begin, so that their first relays need not
// wait for the chain: it asks for the shared parameters, price and difficulty of the
// services, and for the session of each application that was served in one of the
// four sessions before, which it hands to those who prepare for it. It asks about a few
// applications at once, and where there are many spreads that over time. What could not
// be asked for is tried again, a few times within the block, then with each block of
// the session. A relay that comes earlier asks for itself.
//
// The owner calls Stop when done with it.
type Prefetcher struct {
	blocks   relayer.BlockSource
	shared   relayer.SharedQuerier
	services relayer.ServiceQuerier
	sessions relayer.SessionQuerier
	log      *slog.Logger
	opts     PrefetchOptions
	group    *async.Group

	// Of the session that is being prepared: its start, and those that were served
	// before whose next session it is. They belong to the goroutine that follows blocks.
	start int64
	left  []*sessiontypes.SessionHeader

	prepared atomic.Int64 // start of the last session that was prepared, 0 before
}

// NewPrefetcher returns a prefetcher that is at work.
//
// Required dependencies:
//   - relayer.BlockSource
//   - relayer.SharedQuerier, relayer.ServiceQuerier, relayer.SessionQuerier
//   - *slog.Logger
func NewPrefetcher(deps depinject.Config, opts PrefetchOptions) (*Prefetcher, error) {
	p := &Prefetcher{opts: opts}
	if err := depinject.Inject(deps, &p.blocks, &p.shared, &p.services, &p.sessions, &p.log); err != nil {
		return nil, fmt.Errorf("prefetcher: %w", err)
	}
	if p.opts.Pause <= 0 {
		p.opts.Pause = defaultPrefetchPause
	}
	p.group = async.NewGroup(context.Background(), async.OnFailure(func(name string, err error) {
		p.log.Error("prefetcher failed", "goroutine", name, "error", err)
	}))
	return p, p.group.Supervise("prefetcher", async.Restart{}, p.follow)
}

// Stop ends the prefetcher. The error wraps ctx.Err if ctx ends before it has.
func (p *Prefetcher) Stop(ctx context.Context) error { return p.group.Stop(ctx) }

// follow prepares sessions as blocks arrive. Where several wait the newest is as
// good as all: it is in the session that is to be prepared.
func (p *Prefetcher) follow(ctx context.Context) error {
	return relayer.FollowBlocks(ctx, p.blocks, "prefetch", func(ctx context.Context, b *relayer.Block) {
		if err := p.at(ctx, b.Height); err != nil && ctx.Err() == nil {
			p.log.Debug("session is not prepared, to be tried again at the next block", "height", b.Height, "error", err)
		}
	})
}

// at prepares the session that the block at height is in, unless that is done.
func (p *Prefetcher) at(ctx context.Context, height int64) error {
	ctx, cancel := context.WithTimeout(ctx, prefetchTime)
	defer cancel()
	params, err := p.shared.SharedParams(ctx)
	if err != nil {
		return err
	}
	start := sharedtypes.GetSessionStartHeight(params, height)
	if start <= p.prepared.Load() {
		return nil
	}
	if start != p.start {
		from := start - idleSessions*int64(params.NumBlocksPerSession)
		p.start, p.left = start, p.opts.Served(from, start)
	}
	pause := firstPause
	for i := 1; ; i++ {
		if err = p.prepare(ctx); err == nil {
			break
		}
		// The state that answers can be behind the block that was announced.
		if i == maxAttempts || !async.Sleep(ctx, pause) {
			return err
		}
		pause = min(pause*pauseMultiple, maxPause)
	}
	p.prepared.Store(start)
	return nil
}

// prepare asks what is left to ask about the session: one worker asks what concerns all,
// the others about the applications.
func (p *Prefetcher) prepare(ctx context.Context) error {
	errs := async.Each(ctx, prefetchWorkers, 1+len(p.left), func(ctx context.Context, i int) error {
		if i == 0 {
			return p.common(ctx)
		}
		if err := p.application(ctx, p.left[i-1]); err != nil {
			return err
		}
		p.left[i-1] = nil
		if i > prefetchBurst {
			async.Sleep(ctx, p.opts.Pause)
		}
		return nil
	})
	p.left = slices.DeleteFunc(p.left, func(served *sessiontypes.SessionHeader) bool { return served == nil })
	return append(errs, ctx.Err())[0]
}

// common asks about what is the same for all applications. The error is that of a chain
// that could not be asked; what it answers with an error is left to the relay that asks.
func (p *Prefetcher) common(ctx context.Context) error {
	for _, height := range []int64{p.start, max(p.start-1, 1)} { // the second is of relays in the grace period
		if _, err := p.shared.SharedParamsAt(ctx, height); unasked(err) {
			return err
		}
	}
	for _, service := range p.opts.Services {
		_, err := p.services.ComputeUnitsPerRelayAt(ctx, service, p.start)
		if !unasked(err) {
			_, err = p.services.DifficultyTargetAt(ctx, service, p.start)
		}
		if unasked(err) {
			return err
		}
	}
	return nil
}

// application prepares the session that follows one that was served.
func (p *Prefetcher) application(ctx context.Context, served *sessiontypes.SessionHeader) error {
	session, err := p.sessions.Session(ctx, served.ApplicationAddress, served.ServiceId, p.start)
	if errors.Is(err, relayer.ErrNotFound) {
		return nil // the application has left the service
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, preparer := range p.opts.Preparers {
		if err := preparer.Prepare(ctx, session); errors.Is(err, relayer.ErrInternal) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// unasked reports whether the chain could not be asked as things stand.
func unasked(err error) bool {
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrHeightAhead) || errors.Is(err, ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
