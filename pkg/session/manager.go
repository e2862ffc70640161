package session

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

const (
	// insertShards is the number of streams over which relays are spread on
	// their way into the store: those of one session stay in order.
	insertShards = 4
	// blocksBuffer is the number of blocks that may wait to be worked on. Only
	// the newest matters: what was due before is still due.
	blocksBuffer = 8
	// stepWorkers is the number of sessions for which steps are taken at once.
	// Steps mostly wait, for the disk or the node, and share the waiting: many
	// sessions end at the same height, and a window has few blocks.
	stepWorkers = 64
	// recentTransitions is the number of transitions that a new observer gets.
	recentTransitions = 256
)

// sessionsManager implements relayer.RelayerSessionsManager.
type sessionsManager struct {
	deps
	log         *slog.Logger
	workers     chan struct{} // a place for each step that is taken at once
	cores       chan struct{} // a place for each walk over a tree that computes at once
	drainTime   time.Duration
	transitions *observable.Replay[*Moved]
	insertStats observable.Stats
	seed        maphash.Seed

	group    *async.Group
	mined    relayer.MinedRelaysObservable
	inserted []<-chan struct{} // closed when a shard of mined has been handled
	leave    func()            // unsubscribes from blocks
	driven   <-chan struct{}   // closed when the last block has been worked on
	worked   atomic.Int64      // height of the last block whose due steps are under way

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
	windows *windows // nil until its parameters are known; belongs to who works on the session
	busy    bool     // somebody works on the session; guarded by the manager's mu
}

// Moved is published when a session has changed its state.
type Moved struct {
	Record *Record // after the change; must not be changed
	From   State
}

// NewRelayerSessionsManager returns a sessions manager that goes on with the
// sessions in the store. It fails if the store cannot be read.
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
		workers:     make(chan struct{}, stepWorkers),
		cores:       make(chan struct{}, runtime.GOMAXPROCS(0)),
		drainTime:   2 * time.Second,
		transitions: observable.NewReplay[*Moved](recentTransitions, observable.WithName("session_transitions")),
		seed:        maphash.MakeSeed(),
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
	return m, m.load()
}

// load takes up the sessions in the store that have no outcome yet.
func (m *sessionsManager) load() error {
	if err := m.adopt(); err != nil {
		return fmt.Errorf("relayer sessions manager: %w", err)
	}
	records, err := Records(m.store)
	if err != nil {
		return fmt.Errorf("relayer sessions manager: %w", err)
	}
	for _, record := range records {
		if _, err := record.RootBytes(); err != nil {
			return fmt.Errorf("relayer sessions manager: %w", err)
		}
		if !record.State.Final() {
			m.trees[record.Key()] = &liveTree{sessionTree: loadTree(m.store, m.clock, record)}
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
	m.group = async.NewGroup(context.WithoutCancel(ctx), async.OnFailure(func(name string, err error) {
		m.log.Error("session work failed", "work", name, "error", err)
	}))
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
		if err := m.group.Stop(ctx); err != nil {
			m.log.Error("session work did not stop", "error", err)
		}
	}
	if m.driven != nil {
		<-m.driven
	}
	m.transitions.Close()
}

// startDriving works on what is due whenever a block arrives.
func (m *sessionsManager) startDriving() {
	blocks, leave := m.blocks.Blocks().Subscribe(
		observable.WithName("session_blocks"),
		observable.WithBuffer(blocksBuffer),
		observable.WithOverflow(observable.DropOldest),
	)
	m.leave = leave
	m.driven = observable.ForEach(blocks, m.drive, observable.WithName("drive_sessions"))
}

// drive sets the sessions to work for which something is due at a block.
func (m *sessionsManager) drive(_ context.Context, block *relayer.Block) error {
	defer m.worked.Store(block.Height)
	for _, tree := range m.idleTrees() {
		if block.Height <= tree.key.SessionEnd || !m.take(tree) {
			continue
		}
		err := m.group.Go("session "+tree.key.String(), func(ctx context.Context) error {
			defer m.release(tree)
			m.work(ctx, tree, block.Height)
			return nil
		})
		if err != nil { // stopping
			m.release(tree)
			return nil
		}
	}
	return nil
}

// work takes the steps of a session that are due at the height, and at the
// heights of the blocks that arrive meanwhile: one step at each height.
func (m *sessionsManager) work(ctx context.Context, tree *liveTree, height int64) {
	for {
		if err := m.stepAt(ctx, tree, height); err != nil && ctx.Err() == nil {
			m.log.Error("session step failed, to be taken again at the next block",
				"session", tree.key.String(), "state", tree.snapshot().State, "height", height, "error", err)
		}
		latest, _ := m.clock()
		if latest <= height || ctx.Err() != nil {
			return
		}
		height = latest
	}
}

// nextStep decides what is to be done for the session, learning its windows first.
func (m *sessionsManager) nextStep(ctx context.Context, tree *liveTree, height int64) (step, error) {
	record := tree.snapshot()
	if tree.windows == nil {
		params, err := m.shared.SharedParamsAt(ctx, record.EndHeight)
		if err != nil {
			return stepNone, fmt.Errorf("shared params at %d: %w", record.EndHeight, err)
		}
		w := windowsOf(params, record.EndHeight)
		tree.windows = &w
	}
	return nextStep(record.State, record.Requirement, *tree.windows, height), nil
}

func (m *sessionsManager) idleTrees() []*liveTree {
	m.mu.Lock()
	defer m.mu.Unlock()
	idle := make([]*liveTree, 0, len(m.trees))
	for _, tree := range m.trees {
		if !tree.busy {
			idle = append(idle, tree)
		}
	}
	return idle
}

// take marks the tree as being worked on, if it is not.
func (m *sessionsManager) take(tree *liveTree) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if tree.busy {
		return false
	}
	tree.busy = true
	return true
}

// release ends the work on the tree. A session that has an outcome is forgotten;
// its record stays in the store.
func (m *sessionsManager) release(tree *liveTree) {
	final := tree.snapshot().State.Final()
	m.mu.Lock()
	defer m.mu.Unlock()
	tree.busy = false
	if final {
		delete(m.trees, tree.key)
	}
}
