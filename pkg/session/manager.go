package session

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/prover"
	"github.com/seed52205347/relayminer/pkg/session/queue"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

const (
	// insertShards is the number of streams over which relays are spread on
	// their way into the store: those of one session stay in order.
	insertShards = 4
	// recentTransitions is the number of transitions that a new observer gets.
	recentTransitions = 256
	// concludeTime bounds how long a stop waits, once no outcome can come any more, for
	// the conclusions from those that came. What is not done then is done at the next
	// start.
	concludeTime = 5 * time.Second
)

// sessionsManager implements relayer.RelayerSessionsManager.
type sessionsManager struct {
	deps
	log         *slog.Logger
	queue       *queue.Queue[*liveTree]
	provers     *prover.Pool
	ownProvers  bool          // and they are stopped with the manager
	cores       chan struct{} // a place for each root that is computed at once
	drainTime   time.Duration
	stuckTime   time.Duration
	concludeIn  time.Duration
	transitions *observable.Replay[*Moved]
	insertStats observable.Stats
	watchdog    watchdog
	regressions uint64 // of the chain, as of the last block; belongs to drive
	seed        maphash.Seed
	onFailure   func(error)

	group    *async.Group                // takes steps
	waits    *async.Group                // waits for what steps have begun, and concludes
	stopTxs  func(context.Context) error // nil if the submitter is stopped by its owner, later
	mined    relayer.MinedRelaysObservable
	inserted []<-chan struct{} // closed when a shard of mined has been handled
	leave    func()            // unsubscribes from blocks
	driven   <-chan struct{}   // closed when the last block has been worked on
	worked   atomic.Int64      // height of the last block whose due steps are in the queue

	deleting sync.Mutex // held while a session that is over, or its relays, are deleted

	mu    sync.Mutex
	trees map[store.SessionKey]*liveTree // sessions without an outcome
}

// deps are the parts that the sessions manager works with.
type deps struct {
	store    *store.Store
	blocks   relayer.BlockSource
	history  relayer.BlockQuerier
	shared   relayer.SharedQuerier
	services relayer.ServiceQuerier
	proofs   relayer.ProofQuerier
	txs      relayer.TxSubmitter
	evidence EvidenceVerifier
	receipts *relayer.Receipts
}

// liveTree is a session on its way.
type liveTree struct {
	*sessionTree
	known atomic.Pointer[windows] // nil until the parameters are known
	worth atomic.Int64            // estimate in upokt, 0 until it is known; only for the order of claims

	// Guarded by the manager's mu:
	busy     bool      // a step is being taken, or what it has begun is waited for
	workedAt int64     // height at which the last step was taken
	began    time.Time // when it was
	// interrupt ends the step that is being taken, nil while none is. What a step
	// has begun is waited for without it.
	interrupt context.CancelCauseFunc
	alarmed   bool // the watchdog has told of the session
}

// windows returns the session's windows, nil until its first step has learned them.
func (t *liveTree) windows() *windows { return t.known.Load() }

// Moved is published when a session has changed its state.
type Moved struct {
	Record *Record // after the change; must not be changed
	From   State
}

// WithOnFailure has report told when the sessions manager has failed for good, in
// spite of being started again. It must not wait for the sessions manager.
func WithOnFailure(report func(error)) relayer.RelayerSessionsManagerOption {
	return func(manager relayer.RelayerSessionsManager) {
		if m, ok := manager.(*sessionsManager); ok {
			m.onFailure = report
		}
	}
}

// WithProvers has proofs built by the pool, which stays its owner's to stop after
// the sessions manager. By default they are built on this machine, as many at once
// as it has cores.
func WithProvers(pool *prover.Pool) relayer.RelayerSessionsManagerOption {
	return func(manager relayer.RelayerSessionsManager) {
		if m, ok := manager.(*sessionsManager); ok {
			m.provers = pool
		}
	}
}

// WithSubmitterStop has Stop call stop once no step is taken any more, and conclude from
// the outcomes that come until it returns: so the state of a session moves with an
// outcome that the submitter has followed to the last. stop must end the submitter that
// the sessions manager was given, close the channels of all submissions in progress, and
// return in bounded time. By default the submitter is its owner's to stop afterwards, and
// outcomes that come after Stop was called are found out at the next start.
func WithSubmitterStop(stop func(context.Context) error) relayer.RelayerSessionsManagerOption {
	return func(manager relayer.RelayerSessionsManager) {
		if m, ok := manager.(*sessionsManager); ok {
			m.stopTxs = stop
		}
	}
}

// NewRelayerSessionsManager returns a sessions manager that goes on with the
// sessions in the store. It fails if the store cannot be read, or has the record of
// a newer relay miner.
//
// Required dependencies:
//   - *store.Store
//   - relayer.BlockSource, relayer.BlockQuerier
//   - relayer.SharedQuerier, relayer.ServiceQuerier, relayer.ProofQuerier
//   - relayer.TxSubmitter
//   - EvidenceVerifier
//   - *relayer.Receipts
//   - *slog.Logger
func NewRelayerSessionsManager(
	config depinject.Config,
	opts ...relayer.RelayerSessionsManagerOption,
) (relayer.RelayerSessionsManager, error) {
	m := &sessionsManager{
		cores:       make(chan struct{}, async.Cores()),
		drainTime:   2 * time.Second,
		stuckTime:   stuckTime,
		concludeIn:  concludeTime,
		transitions: observable.NewReplay[*Moved](recentTransitions, observable.WithName("session_transitions")),
		seed:        maphash.MakeSeed(),
		onFailure:   func(error) {},
		trees:       make(map[store.SessionKey]*liveTree),
	}
	d := &m.deps
	if err := depinject.Inject(config, &d.store, &d.blocks, &d.history, &d.shared, &d.services,
		&d.proofs, &d.txs, &d.evidence, &d.receipts, &m.log); err != nil {
		return nil, fmt.Errorf("relayer sessions manager: %w", err)
	}
	m.log = m.log.With("component", "sessions")
	for _, opt := range opts {
		opt(m)
	}
	if err := m.ensureProvers(); err != nil {
		return nil, fmt.Errorf("relayer sessions manager: %w", err)
	}
	var err error
	if m.queue, err = queue.New(queueBound, waitingTrees{m}); err != nil {
		return nil, fmt.Errorf("relayer sessions manager: %w", err)
	}
	return m, m.load()
}

// load takes up the sessions in the store that have no outcome yet. Memory does not
// grow with those that have one. A record that is damaged is left alone, and its
// session with it: the others are not to be lost for it.
func (m *sessionsManager) load() error {
	if err := m.adopt(); err != nil {
		return fmt.Errorf("relayer sessions manager: %w", err)
	}
	for kept, err := range m.store.Records() {
		if err != nil {
			return fmt.Errorf("relayer sessions manager: read records: %w", err)
		}
		s := decodeStored(kept.Key, kept.Value)
		switch {
		case errors.Is(s.fault, errNewer):
			return fmt.Errorf("relayer sessions manager: %w", s.fault)
		case s.fault != nil:
			m.log.Error("session is left alone", "session", kept.Key.String(), "error", s.fault)
		case !s.record.State.Final():
			m.trees[kept.Key] = &liveTree{sessionTree: loadTree(m.store, m.clock, s.record)}
		}
	}
	return nil
}

// clock tells the newest height of the chain, 0 before the first block, and the time.
func (m *sessionsManager) clock() (int64, time.Time) {
	if block := m.blocks.Latest(); block != nil {
		return block.Height, time.Now()
	}
	return 0, time.Now()
}

// Transitions returns the stream of what happens to sessions.
func (m *sessionsManager) Transitions() observable.ReplayObservable[*Moved] { return m.transitions }

// InsertRelays implements relayer.RelayerSessionsManager.
func (m *sessionsManager) InsertRelays(mined relayer.MinedRelaysObservable) { m.mined = mined }

// Start implements relayer.RelayerSessionsManager.
func (m *sessionsManager) Start(ctx context.Context) {
	// Work outlives the signal to stop: Stop ends it, in order.
	report := async.OnFailure(func(name string, err error) {
		m.log.Error("session work failed", "work", name, "error", err)
		if async.GaveUp(err) {
			m.onFailure(fmt.Errorf("sessions manager: %w", err))
		}
	})
	m.group = async.NewGroup(context.WithoutCancel(ctx), report)
	m.waits = async.NewGroup(context.WithoutCancel(ctx), report)
	if len(m.trees) > 0 {
		m.log.Info("resuming sessions", "sessions", len(m.trees))
	}
	m.startInserting()
	m.startDriving()
}

// Stop implements relayer.RelayerSessionsManager.
func (m *sessionsManager) Stop() {
	for _, done := range m.inserted {
		<-done
	}
	ctx := context.Background()
	if err := m.store.Sync(ctx); err != nil {
		m.log.Error("relays in flight could not be stored", "error", err)
	}
	if m.leave != nil {
		m.leave()
	}
	if m.group != nil {
		m.stopWork(ctx)
	}
	if m.driven != nil {
		<-m.driven
	}
	if m.ownProvers {
		if err := m.provers.Stop(ctx); err != nil {
			m.log.Error("provers did not stop", "error", err)
		}
	}
	m.transitions.Close()
}

// stopWork ends the steps first and the waits last: what a step has submitted is waited
// for as long as the submitter still follows it.
func (m *sessionsManager) stopWork(ctx context.Context) {
	err := m.group.Stop(ctx)
	if m.stopTxs != nil {
		err = errors.Join(err, m.stopTxs(ctx))
		bounded, cancel := context.WithTimeout(ctx, m.concludeIn)
		defer cancel()
		if unfinished := m.waits.Wait(bounded); unfinished != nil {
			m.log.Warn("outcomes are left to be found out at the next start", "error", unfinished)
		}
	}
	if err = errors.Join(err, m.waits.Stop(ctx)); err != nil {
		m.log.Error("session work did not stop", "error", err)
	}
}
