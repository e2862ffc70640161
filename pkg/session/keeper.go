package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// KeeperOptions say what is kept of sessions that are over. Times are blocks
// after the session's outcome; 0 keeps for ever.
type KeeperOptions struct {
	// Relays is for the relays of sessions that were paid, or had nothing to be
	// paid for, and UnpaidRelays for those of sessions that should have been paid.
	Relays, UnpaidRelays int64
	// Records is for records, with which the last relays go too.
	Records int64
	// RecordsDir is where each session's record is written as a file; empty for
	// nowhere. It is created if it is not there.
	RecordsDir string
	// Logger is told what fails.
	Logger *slog.Logger
}

// KeeperStats is what a Keeper has done since it was made.
type KeeperStats struct {
	RelaysPurged  uint64 // sessions whose relays were deleted
	RecordsPurged uint64 // sessions whose record was deleted
	PurgesFailed  uint64 // times that a deletion failed, and is made again at the next block
	FilesWritten  uint64 // of records
	FilesFailed   uint64 // times that a file could not be written
}

// Keeper deletes what is left of sessions that are over when its time has come,
// and writes records as files. It walks over the records in parts, one with each
// block, and begins anew at their end; so it remembers no session, and what it
// misses it meets again.
type Keeper struct {
	opts     KeeperOptions
	store    keeperStore
	deleting *sync.Mutex
	blocks   relayer.BlockSource
	moves    observable.ReplayObservable[*Moved]
	files    *recordFiles // nil if there is no directory for them
	log      *slog.Logger

	walk  purgeWalk // of the goroutine that purges
	group *async.Group
	leave []func()          // end the subscriptions
	done  []<-chan struct{} // closed when what they have brought is handled

	relaysPurged, recordsPurged, failed atomic.Uint64
}

// NewKeeper returns a keeper of the sessions of a sessions manager. It fails if the
// manager is not one of NewRelayerSessionsManager, if a record would have to go
// before its relays, and if the directory of the files cannot be made.
func NewKeeper(manager relayer.RelayerSessionsManager, opts KeeperOptions) (*Keeper, error) {
	m, ok := manager.(*sessionsManager)
	if !ok {
		return nil, fmt.Errorf("sessions of a %T cannot be kept", manager)
	}
	if opts.Records > 0 && (opts.Relays > opts.Records || opts.UnpaidRelays > opts.Records) {
		return nil, fmt.Errorf("%w: records are kept for %d blocks, relays for %d and %d",
			ErrInvalid, opts.Records, opts.Relays, opts.UnpaidRelays)
	}
	k := &Keeper{
		opts: opts, store: m.store, deleting: &m.deleting, blocks: m.blocks, moves: m.transitions,
		log: opts.Logger.With("component", "keeper"),
	}
	if opts.RecordsDir == "" {
		return k, nil
	}
	var err error
	k.files, err = newRecordFiles(opts.RecordsDir, k.log)
	return k, err
}

// Start begins to purge, and to write files. The caller must call Stop.
func (k *Keeper) Start(ctx context.Context) error {
	k.group = async.NewGroup(context.WithoutCancel(ctx), async.OnFailure(func(name string, err error) {
		k.log.Error("work ended", "work", name, "error", err)
	}))
	if k.files != nil {
		if err := k.group.Supervise("record files", async.Restart{}, k.files.run); err != nil {
			return err
		}
		moves, leave := k.moves.Subscribe(observable.WithName("record_files"),
			observable.WithBuffer(maxPendingFiles), observable.WithOverflow(observable.DropOldest))
		k.leave = append(k.leave, leave)
		k.done = append(k.done, observable.ForEach(moves, func(_ context.Context, moved *Moved) error {
			k.files.put(moved.Record)
			return nil
		}))
	}
	// The newest block is as good as those before it.
	blocks, leave := k.blocks.Blocks().Subscribe(observable.WithName("purge_sessions"),
		observable.WithBuffer(1), observable.WithOverflow(observable.DropOldest))
	k.leave = append(k.leave, leave)
	k.done = append(k.done, observable.ForEach(blocks, func(_ context.Context, block *relayer.Block) error {
		return k.pass(block.Height)
	}, observable.WithErrorHandler(func(_ string, _ any, err error) {
		k.log.Error("sessions could not be purged, to be tried again at the next block", "error", err)
	})))
	return nil
}

// Stop writes what is left to be written, and ends. It may be called without
// Start, and is called before the store is closed.
func (k *Keeper) Stop(ctx context.Context) error {
	for _, leave := range k.leave {
		leave()
	}
	for _, done := range k.done {
		<-done
	}
	if k.group == nil {
		return nil
	}
	err := k.group.Stop(ctx)
	if k.files != nil {
		err = errors.Join(err, k.files.flush())
	}
	return err
}

// Stats returns a snapshot.
func (k *Keeper) Stats() KeeperStats {
	stats := KeeperStats{
		RelaysPurged: k.relaysPurged.Load(), RecordsPurged: k.recordsPurged.Load(), PurgesFailed: k.failed.Load(),
	}
	if k.files != nil {
		stats.FilesWritten, stats.FilesFailed = k.files.written.Load(), k.files.failed.Load()
	}
	return stats
}
