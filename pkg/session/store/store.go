package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed52205347/relayminer/pkg/async"
)

// Store is a relay store. All of its methods may be called concurrently.
type Store struct {
	dir        string
	opts       Options
	batchBytes int
	lock       *pebble.Lock
	cache      *pebble.Cache
	queue      *queue
	reclaim    *reclaimer
	stats      counters
	space      spaceWatch

	frozen chan struct{} // has a token when the engine's health changed; never closed
	dirty  chan struct{} // has a token when the log needs a sync; never closed

	// commitBegan and syncBegan are the time at which the commit and the
	// deferred sync in progress began, in Unix nanoseconds, or 0.
	commitBegan, syncBegan atomic.Int64

	// ctx ends when Close is called.
	ctx    context.Context
	cancel context.CancelFunc

	health sync.Mutex // serialises refreshHealth

	// engine is nil while there is none. Only the goroutine that closes the
	// engine replaces it: the committer, and shutdown when that has ended.
	engine atomic.Pointer[engine]
	mu     sync.Mutex // guards the users of engines
	idle   *sync.Cond // on mu: an engine has no user any more

	loops     sync.WaitGroup // the goroutines started by Open
	closeOnce sync.Once
	closed    chan struct{} // closed when everything has ended
	closeErr  error         // set before closed is closed
}

// Open opens the store in dir, creating it if there is none. Files that are
// there and are not the store's are left alone.
//
// It returns ErrLocked if the directory is in use, ErrFormat if it holds another
// version of the store or another database, and fs.ErrNotExist if there is no
// store and Options.ReadOnly is set.
func Open(dir string, opts Options) (*Store, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("opening relay store %s: %w", dir, err)
	}
	lock, err := lockDir(dir, &opts)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir:        dir,
		opts:       opts,
		batchBytes: maxBatchBytes(&opts),
		lock:       lock,
		cache:      pebble.NewCache(opts.CacheBytes),
		queue:      newQueue(opts.QueueLen, opts.MaxQueueBytes),
		reclaim:    newReclaimer(),
		frozen:     make(chan struct{}, 1),
		dirty:      make(chan struct{}, 1),
		closed:     make(chan struct{}),
	}
	if err := checkFormat(dir, opts.FS, opts.ReadOnly); err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.idle = sync.NewCond(&s.mu)
	e, err := openEngine(s.ctx, dir, &opts, lock, s.cache, false, s.engineChanged)
	if err != nil {
		s.cancel()
		return nil, errors.Join(err, s.unlock())
	}
	s.engine.Store(e)
	s.refreshHealth()
	s.start()
	return s, nil
}

// start starts the goroutines. Close awaits them.
func (s *Store) start() {
	if s.opts.ReadOnly {
		return
	}
	s.checkSpace()
	s.loops.Go(s.commitLoop)
	s.loops.Go(s.spaceLoop)
	s.loops.Go(s.reclaimLoop)
	if s.opts.Durability == Interval {
		s.loops.Go(s.syncLoop)
	}
}

// Append stores a leaf of a session; a leaf that is there already is replaced.
// It returns at once. When it returns nil, done is called exactly once: with nil
// when the leaf is acknowledged, as Options.Durability says, or with the reason
// why it is not. When it returns an error, done is not called.
//
// done is called by the committer: it must not block, nor wait for anything that
// the store does. The relay's bytes must not be changed until then. A nil done
// is not called.
//
// The errors, of Append and of done, are ErrBusy, ErrUnavailable, ErrClosed,
// ErrReadOnly, ErrKey and ErrTooLarge.
func (s *Store) Append(key SessionKey, leaf Leaf, done func(error)) error {
	if err := key.Validate(); err != nil {
		return err
	}
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if len(leaf.Relay) > s.opts.MaxRelayBytes {
		return fmt.Errorf("%w: %d bytes in session %s", ErrTooLarge, len(leaf.Relay), key)
	}
	if done == nil {
		done = func(error) {}
	}
	return s.queue.pushLeaf(key, leaf, done)
}

// AcceptingErr returns nil if the store would take a leaf now, and otherwise
// what Append returns. It is cheap, and meant to be asked before a relay is
// served: it begins to say ErrBusy a little before Append does.
func (s *Store) AcceptingErr() error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if err := s.queue.accepting(); err != nil {
		return err
	}
	return s.stalled()
}

// WritableErr returns nil if the store would write a record now, and otherwise
// why not: what PutRecord returns, or that the disk does not come to an end with
// what it has. Records are written when leaves are not taken any more because there
// are too many at once or the disk is nearly full.
func (s *Store) WritableErr() error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if err := s.queue.writable(); err != nil {
		return err
	}
	return s.stalled()
}

// stalled returns an error if the disk has been writing for too long.
func (s *Store) stalled() error {
	for _, began := range [...]int64{s.commitBegan.Load(), s.syncBegan.Load()} {
		if began == 0 {
			continue
		}
		if age := time.Since(time.Unix(0, began)); age > s.opts.StallAfter {
			return unavailable(fmt.Errorf("the disk has been writing for %s", age.Round(time.Millisecond)))
		}
	}
	return nil
}

// Sync returns nil when everything that was handed over before the call has
// been finished and what was acknowledged of it is synced to the disk, whatever
// the durability. It returns ErrUnavailable if the store can not tell, and the
// error of ctx if that ends first.
func (s *Store) Sync(ctx context.Context) error {
	if s.opts.ReadOnly {
		return nil
	}
	done := make(chan error, 1)
	if err := s.queue.push(op{done: func(err error) { done <- err }}); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// syncLoop syncs the log Options.Interval after it was written to. It ends when
// the store is being closed, and leaves the last sync to the closing of the log.
func (s *Store) syncLoop() {
	for {
		select {
		case <-s.dirty:
		case <-s.ctx.Done():
			return
		}
		if !async.Sleep(s.ctx, s.opts.Interval) {
			return
		}
		e, err := s.acquire()
		if err != nil {
			continue // what was not synced is lost, recovery has said so
		}
		s.syncBegan.Store(time.Now().UnixNano())
		// A failure freezes the files, which wakes the committer.
		_ = e.guard.sync()
		s.syncBegan.Store(0)
		s.release(e)
	}
}

// Close takes nothing new, commits what is queued, waits for those who read,
// syncs and closes. If ctx ends first its error is returned and closing goes on;
// Close can be called again to wait for it. A walk over the store must not call
// it: it would wait for itself.
//
// The error says that something that was acknowledged may not be on the disk.
func (s *Store) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		s.queue.close()
		s.cancel()
		// shutdown ends by closing s.closed, which whoever closes awaits.
		go s.shutdown()
	})
	select {
	case <-s.closed:
		return s.closeErr
	case <-ctx.Done():
		return fmt.Errorf("closing relay store %s: %w", s.dir, ctx.Err())
	}
}

func (s *Store) shutdown() {
	defer close(s.closed)
	s.loops.Wait()
	if e := s.engine.Load(); e != nil {
		s.closeErr = s.retire(e)
	}
	s.closeErr = errors.Join(s.closeErr, s.unlock())
}

// unlock gives back what outlives an engine.
func (s *Store) unlock() error {
	s.cache.Unref()
	if err := s.lock.Close(); err != nil {
		return fmt.Errorf("unlocking relay store %s: %w", s.dir, err)
	}
	return nil
}
