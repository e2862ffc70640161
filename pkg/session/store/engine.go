package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// engine is one pebble instance on its guarded files. A failure that freezes
// the files ends it, and recovery replaces it by another.
type engine struct {
	db    *pebble.DB
	guard *guard
	// ctx ends when the engine is about to be closed: who is using it hurries.
	ctx    context.Context
	cancel context.CancelFunc

	users int // guarded by Store.mu
}

// openEngine opens pebble in dir, which is locked by lock, and must hold a
// database already if existing is set. The engine's context ends with ctx.
func openEngine(ctx context.Context, dir string, o *Options, lock *pebble.Lock, cache *pebble.Cache, existing bool, changed func()) (*engine, error) {
	guard := newGuard(dir, o, changed)
	po := pebbleOptions(o, guard)
	po.Lock = lock
	po.Cache = cache
	po.ErrorIfNotExists = existing || o.ReadOnly
	db, err := pebble.Open(dir, po)
	if err != nil {
		cause, _ := guard.failure()
		return nil, fmt.Errorf("opening relay store %s: %w", dir, errors.Join(cause, err))
	}
	e := &engine{db: db, guard: guard}
	e.ctx, e.cancel = context.WithCancel(ctx)
	if cause := e.err(); cause != nil {
		// Closing it tells the cause once more.
		_ = e.close()
		return nil, fmt.Errorf("opening relay store %s: %w", dir, cause)
	}
	guard.opened()
	return e, nil
}

// close ends the engine, after syncing what was not synced. No one may be using
// it.
func (e *engine) close() error {
	e.cancel()
	e.guard.releaseTables()
	err := e.db.Close()
	if cause := e.err(); cause != nil {
		// Pebble's own complaints follow from that.
		return fmt.Errorf("closing relay store: %w", cause)
	}
	if err != nil {
		return fmt.Errorf("closing relay store: %w", err)
	}
	return nil
}

// err returns why what pebble says about writes and reads can not be trusted,
// or nil.
func (e *engine) err() error {
	cause, _ := e.guard.failure()
	return cause
}

// lockDir takes the lock of the directory, creating the directory first unless
// the store is read-only.
func lockDir(dir string, o *Options) (*pebble.Lock, error) {
	if !o.ReadOnly {
		if err := o.FS.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("creating relay store %s: %w", dir, err)
		}
	}
	if _, err := o.FS.Stat(dir); err != nil {
		return nil, fmt.Errorf("opening relay store %s: %w", dir, err)
	}
	lock, err := pebble.LockDirectory(dir, o.FS)
	if err == nil {
		return lock, nil
	}
	// The lock file could not be made, as opposed to being locked.
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return nil, fmt.Errorf("locking relay store %s: %w", dir, err)
	}
	return nil, fmt.Errorf("%w: %s: %w", ErrLocked, dir, err)
}

// memTables is how many memory tables there can be before writes wait.
const memTables = 3

// pebbleOptions returns the settings of pebble, but for lock and cache.
func pebbleOptions(o *Options, guard *guard) *pebble.Options {
	po := &pebble.Options{
		FS:       guard,
		ReadOnly: o.ReadOnly,
		Logger:   pebbleLog{o.Logger, guard},

		// From the next version on, the log says how far it has been synced,
		// and a gap before that point is corruption instead of the log's end.
		// With a lazy guard it would say so too early, and not open after the
		// loss of power.
		FormatMajorVersion: pebble.FormatColumnarBlocks,

		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: memTables,
		MaxOpenFiles:                max(o.MaxOpenFiles, minOpenFiles),
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		// A damaged table can not be compacted, and those that overlap it pile
		// up in level 0. That makes reads of these keys slower. It must not
		// stop the writes of all others.
		L0StopWritesThreshold: 1000,
		// A deletion is of use only when it has left the memory table.
		FlushDelayDeleteRange: o.ReclaimDelay,
		// Files to be deleted are few and large; space matters more than the
		// latency that deleting them costs.
		TargetByteDeletionRate: 0,
	}
	for i := range po.Levels {
		// Reads are walks over whole sessions, which likes large blocks; what a
		// flipped bit destroys, and the time pebble takes to find out which one
		// it was, likes small ones.
		po.Levels[i].BlockSize = 16 * kib
		po.Levels[i].IndexBlockSize = 64 * kib
	}
	po.TargetFileSizes[0] = 8 * mib
	po.EventListener = events(o.Logger, guard)
	return po
}

// events passes on what pebble says about its background work.
func events(log *slog.Logger, guard *guard) *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			level := slog.LevelWarn
			if frozen, table := guard.failure(); frozen != nil || table != nil {
				level = slog.LevelDebug // the store says so itself, and once
			}
			log.Log(context.Background(), level, "relay store background work failed", "error", err)
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			if !guard.frozen.Load() {
				log.Error("relay store file is corrupt", "path", info.Path, "error", info.Details)
			}
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			log.Debug("relay store writes wait for tables", "reason", info.Reason)
			guard.setStalled(true)
		},
		WriteStallEnd: func() { guard.setStalled(false) },
	}
}

// pebbleLog is pebble's logger.
type pebbleLog struct {
	log   *slog.Logger
	guard *guard
}

// Infof implements pebble.Logger. It speaks of every flush and compaction.
func (l pebbleLog) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("pebble", "info", fmt.Sprintf(format, args...))
	}
}

// Errorf implements pebble.Logger. What pebble finds wrong with files that are
// frozen is of no interest.
func (l pebbleLog) Errorf(format string, args ...any) {
	level := slog.LevelError
	if l.guard.frozen.Load() {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "relay store engine", "error", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. Pebble expects it not to return, and is in a
// state that it can not continue from if it does; freezing the files keeps that
// state from the disk. The write failures that would lead here never reach
// pebble, so what remains are its assertions.
func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble: "+format, args...)
	l.log.Error("relay store engine failed", "error", err)
	l.guard.freeze(err)
}

// probeName is the file that is written to see whether the disk works again.
// Pebble ignores files that it does not know.
const probeName = "probe"

// probe writes, syncs and removes a file of some size in dir.
func probe(files vfs.FS, dir string) (err error) {
	name := files.PathJoin(dir, probeName)
	f, err := files.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("probing the disk: %w", err)
	}
	defer func() { err = errors.Join(err, files.Remove(name)) }()
	_, err = f.Write(make([]byte, mib))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("probing the disk: %w", err)
	}
	return nil
}
