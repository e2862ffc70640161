package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// defaultPrefetchPause lets fifty applications a second be asked about: a few
// hundred questions at most, one after another.
const defaultPrefetchPause = 20 * time.Millisecond

// PrefetchOptions says for whom sessions are prepared.
type PrefetchOptions struct {
	// Suppliers are the operator addresses that are served for. An application is
	// asked about if one of them took part in a session of it before.
	Suppliers []string
	// Services are the ids of the services that are served.
	Services []string
	// Pause is the time between two applications. Zero means 20 milliseconds.
	Pause time.Duration
	// Logger is told of questions that got no answer. Nil means slog.Default.
	Logger *slog.Logger
}

// Prefetcher asks, with the first block of a session, what the first relays of the
// session would have to wait for: the shared parameters, price and difficulty of
// the services, and of each application whose sessions were asked for since the
// session before: its session, its record and the public keys of its ring. The
// answers are remembered by its Queries as if a relay had asked. It asks one
// question at a time; a relay that comes earlier asks for itself.
//
// The owner calls Stop when done with it.
type Prefetcher struct {
	queries *Queries
	blocks  relayer.BlockSource
	opts    PrefetchOptions
	group   *async.Group

	prepared atomic.Int64 // start of the last session that was prepared, 0 before
}

// NewPrefetcher returns a prefetcher that is at work. The error wraps ErrConfig if
// queries or blocks are missing.
func NewPrefetcher(queries *Queries, blocks relayer.BlockSource, opts PrefetchOptions) (*Prefetcher, error) {
	if queries == nil || blocks == nil {
		return nil, fmt.Errorf("%w: prefetcher without queries or blocks", ErrConfig)
	}
	if opts.Pause <= 0 {
		opts.Pause = defaultPrefetchPause
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	p := &Prefetcher{queries: queries, blocks: blocks, opts: opts}
	p.group = async.NewGroup(context.Background(), async.OnFailure(func(name string, err error) {
		opts.Logger.Error("prefetcher failed", "goroutine", name, "error", err)
	}))
	return p, p.group.Supervise("prefetcher", async.Restart{}, p.follow)
}

// Stop ends the prefetcher. The error wraps ctx.Err if ctx ends before it has.
func (p *Prefetcher) Stop(ctx context.Context) error { return p.group.Stop(ctx) }

// follow prepares sessions as blocks arrive. Where several wait the newest is as
// good as all: it is in the session that is to be prepared.
func (p *Prefetcher) follow(ctx context.Context) error {
	blocks, leave := p.blocks.Blocks().Subscribe(
		observable.WithName("prefetcher_blocks"), observable.WithBuffer(1), observable.WithOverflow(observable.DropOldest))
	done := observable.ForEach(blocks, func(_ context.Context, b *relayer.Block) error {
		if err := p.at(ctx, b.Height); err != nil && ctx.Err() == nil {
			p.opts.Logger.Debug("session is not prepared, to be tried again at the next block", "height", b.Height, "error", err)
		}
		return nil
	}, observable.WithName("prefetch"))
	<-ctx.Done()
	leave()
	<-done
	return ctx.Err()
}

// at prepares the session that the block at height is in, unless that is done.
func (p *Prefetcher) at(ctx context.Context, height int64) error {
	params, err := p.queries.SharedParams(ctx)
	if err != nil {
		return err
	}
	start := sharedtypes.GetSessionStartHeight(params, height)
	if start <= p.prepared.Load() {
		return nil
	}
	seen := p.ours(p.queries.seen.before(start))
	pause := firstPause
	for i := 1; ; i++ {
		if err = p.prepare(ctx, start, seen); err == nil {
			break
		}
		// The state that answers can be behind the block that was announced.
		if i == maxAttempts || !async.Sleep(ctx, pause) {
			return err
		}
		pause = min(pause*pauseMultiple, maxPause)
	}
	p.queries.seen.forget(start)
	p.prepared.Store(start)
	return nil
}

// ours returns those of the sessions that our suppliers took part in.
func (p *Prefetcher) ours(keys []sessionKey) []sessionKey {
	return slices.DeleteFunc(keys, func(key sessionKey) bool {
		remembered, ok := p.queries.sessions.answers.Peek(key)
		return !ok || !slices.ContainsFunc(remembered.value.GetSuppliers(), p.isOurs)
	})
}

func (p *Prefetcher) isOurs(s *sharedtypes.Supplier) bool {
	return slices.Contains(p.opts.Suppliers, s.GetOperatorAddress())
}

// prepare asks about the session from start. The error is that of a chain that
// could not be asked; what it answers with an error is left to the relay that asks.
func (p *Prefetcher) prepare(ctx context.Context, start int64, seen []sessionKey) error {
	for _, height := range []int64{start, max(start-1, 1)} { // the second is of relays in the grace period
		if _, err := p.queries.SharedParamsAt(ctx, height); unasked(err) {
			return err
		}
	}
	for _, service := range p.opts.Services {
		_, err := p.queries.ComputeUnitsPerRelayAt(ctx, service, start)
		if !unasked(err) {
			_, err = p.queries.DifficultyTargetAt(ctx, service, start)
		}
		if unasked(err) {
			return err
		}
	}
	for _, key := range seen {
		if err := p.application(ctx, key, start); unasked(err) {
			return err
		}
		if !async.Sleep(ctx, p.opts.Pause) {
			return ctx.Err()
		}
	}
	return nil
}

// application asks about one application.
func (p *Prefetcher) application(ctx context.Context, key sessionKey, start int64) error {
	if _, err := p.queries.session(ctx, key.application, key.service, start); err != nil {
		return err
	}
	app, err := p.queries.Application(ctx, key.application)
	if err != nil {
		return err
	}
	for _, member := range append([]string{app.Address}, app.DelegateeGatewayAddresses...) {
		if _, err := p.queries.PubKey(ctx, member); err != nil {
			return err
		}
	}
	return nil
}

// unasked reports whether the chain could not be asked as things stand.
func unasked(err error) bool {
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrHeightAhead) || errors.Is(err, ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
