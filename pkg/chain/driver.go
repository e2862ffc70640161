package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// feed is what the driver needs of a node.
type feed interface {
	// latest returns the height of the newest block whose effects can be queried.
	latest(ctx context.Context) (int64, error)
	// oldest returns the height of the oldest block that is kept.
	oldest(ctx context.Context) (int64, error)
	// headers returns heads from one height on, ascending and without gaps, at
	// least the first.
	headers(ctx context.Context, from, to int64) ([]head, error)
	// subscribe delivers new heads until it breaks or ctx is done.
	subscribe(ctx context.Context, deliver func(head)) error
	// disown is told of a head that does not continue the chain, and why.
	disown(h head, err error)
	// tolerance returns how many blocks the feed may fall behind without having
	// gone back.
	tolerance() int64
}

var _ feed = (*Node)(nil)

// Defaults of the block driver.
const (
	defaultMinSilence = 5 * time.Second
	defaultPoll       = 2 * time.Second
	defaultReplay     = 64
	// maxBackoff bounds the pause between tries to reach a node. It is short
	// beside the time that a claim window is open.
	maxBackoff = 5 * time.Second
	// silenceBlocks is how many block times without a word make a subscription
	// silent.
	silenceBlocks = 3
	// defaultRenewal bounds how often a subscription that is open and silent is
	// opened anew.
	defaultRenewal = 30 * time.Second
	// eventBuffer bounds the heads that wait for the follower. The subscription
	// waits when it is full; what the server drops then is fetched as a gap.
	eventBuffer = 16
)

// BlockDriverOption changes a BlockDriver while it is made.
type BlockDriverOption func(*BlockDriver)

// WithLastProcessed tells the driver of the highest block that an earlier run has
// seen. The driver begins with the newest block all the same, but with none below
// height: a node that is behind what was seen, because it is catching up or was set
// back, is waited for, and Err wraps ErrChainRegressed meanwhile. Of several nodes
// one may be two blocks behind. Zero or less tells of none.
func WithLastProcessed(height int64) BlockDriverOption {
	return func(d *BlockDriver) { d.follower.processed = max(height, 0) }
}

// WithMinSilence sets the least time without a block after which the driver
// polls. The bound in force is that or three observed block times, whichever is
// longer. The default is 5 seconds.
func WithMinSilence(bound time.Duration) BlockDriverOption {
	return func(d *BlockDriver) { d.minSilence = bound }
}

// WithPollInterval sets the time between two polls while the subscription is
// silent. The default is 2 seconds.
func WithPollInterval(interval time.Duration) BlockDriverOption {
	return func(d *BlockDriver) { d.interval = interval }
}

// WithRenewal sets the least age of a subscription that says nothing of the blocks
// that polling finds when it is opened anew. The default is 30 seconds.
func WithRenewal(age time.Duration) BlockDriverOption {
	return func(d *BlockDriver) { d.renewal = age }
}

// WithOnFailure has report told when the driver has failed for good, in spite of
// being started again, and emits no more blocks. It must not wait for the driver.
func WithOnFailure(report func(error)) BlockDriverOption {
	return func(d *BlockDriver) { d.onFailure = report }
}

// WithReplay sets how many blocks a new subscriber is given that were emitted
// before it came. The default is 64.
func WithReplay(n int) BlockDriverOption {
	return func(d *BlockDriver) { d.replay = n }
}

// BlockDriver follows the chain and emits its blocks: every height once, in
// order, without gaps. It implements relayer.BlockSource.
//
// A subscriber whose buffer is full under the rule Block holds the driver back,
// and with it all others; nothing is lost meanwhile.
type BlockDriver struct {
	feed       feed
	log        *slog.Logger
	minSilence time.Duration
	interval   time.Duration
	renewal    time.Duration
	replay     int
	onFailure  func(error)

	follower  *follower
	blocks    *observable.Replay[*relayer.Block]
	newest    atomic.Pointer[relayer.Block]
	polling   atomic.Bool
	open      atomic.Pointer[subscription]
	trouble   atomic.Pointer[error]
	regressed atomic.Uint64 // times that the chain has gone back or was another
	started   atomic.Bool
	first     chan struct{} // closed by the follower when the first block is out
	group     *async.Group
}

var _ relayer.BlockSource = (*BlockDriver)(nil)

// NewBlockDriver returns a driver that follows the node's chain once started.
func NewBlockDriver(node *Node, opts ...BlockDriverOption) (*BlockDriver, error) {
	if node == nil {
		return nil, fmt.Errorf("%w: block driver without node", ErrConfig)
	}
	return newBlockDriver(node, node.log, opts...)
}

func newBlockDriver(source feed, log *slog.Logger, opts ...BlockDriverOption) (*BlockDriver, error) {
	d := &BlockDriver{
		feed:       source,
		log:        log,
		minSilence: defaultMinSilence,
		interval:   defaultPoll,
		renewal:    defaultRenewal,
		replay:     defaultReplay,
		onFailure:  func(error) {},
		first:      make(chan struct{}),
	}
	d.group = async.NewGroup(context.Background(), async.OnFailure(d.fail))
	d.follower = &follower{feed: source, log: log, emit: d.emit, tolerance: source.tolerance()}
	for _, opt := range opts {
		opt(d)
	}
	if d.minSilence <= 0 || d.interval <= 0 || d.renewal <= 0 || d.replay <= 0 {
		return nil, fmt.Errorf("%w: block driver: silence %v, poll interval %v, renewal %v and replay %d must be positive",
			ErrConfig, d.minSilence, d.interval, d.renewal, d.replay)
	}
	d.blocks = observable.NewReplay[*relayer.Block](d.replay, observable.WithName("blocks"))
	return d, nil
}

// Start begins to follow the chain and waits for the first block, so that
// Latest is not nil afterwards. ctx bounds the wait, not the life of the driver.
// When it ends first the driver is stopped and the error says what was in the
// way.
func (d *BlockDriver) Start(ctx context.Context) error {
	if d.started.Swap(true) {
		return fmt.Errorf("%w: block driver was started before", ErrConfig)
	}
	restart := async.Restart{OnRetry: func(name string, failures int, pause time.Duration, err error) {
		d.log.Error("goroutine of the block driver failed and is started again",
			"goroutine", name, "failures", failures, "pause", pause, "error", err)
	}}
	events := make(chan head, eventBuffer) // never closed; both ends end with the group
	err := errors.Join(
		d.group.Supervise("block subscription", restart, func(ctx context.Context) error { return d.subscribe(ctx, events) }),
		d.group.Supervise("block follower", restart, func(ctx context.Context) error { return d.follow(ctx, events) }),
	)
	if err != nil {
		return errors.Join(err, d.Stop(ctx))
	}
	select {
	case <-d.first:
		return nil
	case <-ctx.Done():
		cause := errors.Join(ctx.Err(), d.Err())
		return errors.Join(fmt.Errorf("first block: %w", cause), d.Stop(context.WithoutCancel(ctx)))
	}
}

// Stop ends the driver and completes the stream of blocks. The error wraps
// ctx.Err if ctx ends before everything has ended. Stopping twice is harmless.
func (d *BlockDriver) Stop(ctx context.Context) error {
	d.blocks.Close()
	return d.group.Stop(ctx)
}

// Blocks implements relayer.BlockSource.
func (d *BlockDriver) Blocks() relayer.BlocksObservable { return d.blocks }

// Latest implements relayer.BlockSource.
func (d *BlockDriver) Latest() *relayer.Block { return d.newest.Load() }

// Err returns what keeps the driver from emitting the next block, or nil: an
// error that wraps ErrChainRegressed, or one of reaching the node. It becomes
// nil with the next block.
func (d *BlockDriver) Err() error {
	if err := d.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// fail notes that a goroutine of the driver has ended for good.
func (d *BlockDriver) fail(name string, err error) {
	err = fmt.Errorf("block driver: goroutine %q: %w", name, err)
	d.trouble.Store(&err)
	d.log.Error("block driver failed", "error", err)
	d.onFailure(err)
}

// Regressions returns how often the chain has gone back, or was another one than
// before. Blocks are emitted again when it has come forth.
func (d *BlockDriver) Regressions() uint64 { return d.regressed.Load() }

// Source names where blocks come from at present, "subscription" or "polling".
func (d *BlockDriver) Source() string {
	if d.polling.Load() {
		return "polling"
	}
	return "subscription"
}

// emit publishes a block. It runs on the follower's goroutine.
func (d *BlockDriver) emit(ctx context.Context, b *relayer.Block) error {
	first := d.newest.Swap(b) == nil
	if err := d.blocks.Publish(ctx, b); err != nil {
		return err
	}
	if first {
		close(d.first)
	}
	return nil
}

// follow is the loop of the goroutine that owns the follower.
func (d *BlockDriver) follow(ctx context.Context, events <-chan head) error {
	timer := time.NewTimer(0) // ask at once: the subscription speaks with the next block only
	defer timer.Stop()
	pause := firstPause
	for {
		next := d.follower.next
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case h := <-events:
			if next != 0 && h.block.Height < next-1 {
				continue // of a node that lags: as good as silence
			}
			if err = d.follower.hear(ctx, h); err == nil {
				d.poll(false)
			}
		case <-timer.C:
			polled := d.polling.Load()
			if next != 0 && d.Err() == nil {
				d.poll(true)
			}
			err = d.follower.catchUp(ctx)
			if polled && d.follower.next > next {
				d.renew()
			}
		}
		if ctx.Err() != nil || errors.Is(err, observable.ErrClosed) {
			return ctx.Err()
		}
		d.report(err, d.follower.next > next)
		if d.Err() != nil {
			timer.Reset(pause)
			pause = min(pause*pauseMultiple, maxBackoff)
			continue
		}
		pause = firstPause
		timer.Reset(d.patience())
	}
}

// poll notes whether blocks are asked for because the subscription is silent.
func (d *BlockDriver) poll(silent bool) {
	switch was := d.polling.Swap(silent); {
	case silent && !was:
		d.log.Warn("block subscription is silent, polling", "next_height", d.follower.next)
	case !silent && was:
		d.log.Info("blocks come from the subscription again", "next_height", d.follower.next)
	}
}

// patience returns how long to wait for the subscription before asking.
func (d *BlockDriver) patience() time.Duration {
	if d.polling.Load() {
		return d.interval
	}
	return max(silenceBlocks*d.follower.blockTime, d.minSilence)
}

// report notes trouble and tells of it once. A chain that went back has not
// come forth again before it shows the next block.
func (d *BlockDriver) report(err error, progress bool) {
	was := d.trouble.Load()
	if err != nil {
		d.trouble.Store(&err)
		if was == nil || errors.Is(err, ErrChainRegressed) != errors.Is(*was, ErrChainRegressed) {
			if errors.Is(err, ErrChainRegressed) {
				d.regressed.Add(1)
			}
			d.log.Error("cannot follow blocks", "error", err)
		}
		return
	}
	if was == nil || (errors.Is(*was, ErrChainRegressed) && !progress) {
		return
	}
	d.trouble.Store(nil)
	d.log.Info("following blocks again", "next_height", d.follower.next)
}
