package store

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard is the file system on which one pebble instance works. It keeps from
// pebble the failures that pebble has no answer to, see the package comment:
// the first of them freezes the files of the store.
//
// What is in the store's directory falls into three classes, by name.
//
//	log      *.log: a failed write freezes
//	control  manifest, markers, options, the directory: a failed write freezes
//	table    *.sst, *.blob: a failed write is returned, pebble tries again
//
// While frozen, changes to logs and control files, removals and renames succeed
// and do nothing. Changes to tables wait: if they succeeded into nothing, pebble
// would drop from memory what it believes to be in the table, and it could not
// be read any more. They stop waiting, and succeed into nothing too, when the
// guard is released: because pebble is being closed, or because a commit is
// waiting for the table.
//
// While pebble is being opened everything freezes and nothing waits, because
// pebble would try again forever inside of Open.
//
// Reads, and everything outside of the directory, pass through.
type guard struct {
	vfs.FS
	dir string
	// lazy makes syncs of the log succeed without doing anything; sync does
	// them instead, and closing a log does.
	lazy bool
	// retryEvery paces pebble, which repeats a failed flush without a pause.
	retryEvery time.Duration
	// changed is called, from any goroutine and with pebble's locks held, when
	// the result of failure changes. It must not block.
	changed func()

	frozen atomic.Bool // set under mu, read without

	mu       sync.Mutex
	cause    error         // why it is frozen
	tableErr error         // the last failure to write a table, nil after a success
	stalled  bool          // pebble makes commits wait for tables
	opening  bool          // pebble.Open has not returned
	released bool          // release is closed
	release  chan struct{} // closed when table writes shall wait no more
	log      *guardedFile  // the log being written, nil before the first
}

func newGuard(dir string, o *Options, changed func()) *guard {
	return &guard{
		FS:         o.FS,
		dir:        o.FS.PathJoin(dir),
		lazy:       o.Durability == Interval,
		retryEvery: o.ProbeEvery,
		changed:    changed,
		opening:    true,
		release:    make(chan struct{}),
	}
}

// opened ends the phase in which every failure freezes.
func (g *guard) opened() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opening = false
}

// freeze freezes the files unless they are frozen already.
func (g *guard) freeze(cause error) {
	g.mu.Lock()
	g.freezeLocked(cause)
	g.mu.Unlock()
	g.changed()
}

func (g *guard) freezeLocked(cause error) {
	if g.cause == nil {
		g.cause = cause
		g.frozen.Store(true)
	}
	if g.opening || g.stalled {
		g.releaseLocked()
	}
}

// releaseTables lets table writes go into nothing while frozen. It is called
// before pebble is closed. Not frozen, it only ends the pacing of retries.
func (g *guard) releaseTables() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.releaseLocked()
}

func (g *guard) releaseLocked() {
	if !g.released {
		g.released = true
		close(g.release)
	}
}

// setStalled records whether commits wait for tables.
func (g *guard) setStalled(stalled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stalled = stalled
	if stalled && g.cause != nil {
		g.releaseLocked()
	}
}

// failure returns why the files are frozen, or nil, and the last failure to
// write a table, or nil.
func (g *guard) failure() (frozen, table error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause, g.tableErr
}

// readable reports whether everything that pebble believes to be stored can be
// read.
func (g *guard) readable() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause == nil || !g.released
}

// sync syncs what has been written to the log and was not synced because the
// guard is lazy. It may be called at any time.
func (g *guard) sync() error {
	g.mu.Lock()
	log, cause := g.log, g.cause
	g.mu.Unlock()
	if cause != nil {
		return cause
	}
	if log != nil {
		log.syncDirty()
	}
	cause, _ = g.failure()
	return cause
}

// class says what a failure to write a file means.
type class int

const (
	classOther class = iota // not in the store's directory
	classLog
	classControl
	classTable
)

func (g *guard) classify(name string) class {
	if g.PathJoin(name) == g.dir {
		return classControl
	}
	if g.PathJoin(g.PathDir(name)) != g.dir {
		return classOther
	}
	switch {
	case strings.HasSuffix(name, ".log"):
		return classLog
	case strings.HasSuffix(name, ".sst"), strings.HasSuffix(name, ".blob"):
		return classTable
	}
	return classControl
}

// void reports whether a change to a file of the class has to go into nothing.
// For a table it first waits while there is something to wait for.
func (g *guard) void(c class) bool {
	if c == classOther || !g.frozen.Load() {
		return false
	}
	if c == classTable {
		<-g.release
	}
	return true
}

// fail takes note that a change to a file of the class failed, and returns the
// error that pebble is to see.
func (g *guard) fail(c class, err error) error {
	if err == nil || c == classOther {
		return err
	}
	if g.failLocking(c, err) {
		err = nil
	}
	g.changed()
	return err
}

// failLocking reports whether the files are frozen and the failure is hidden.
func (g *guard) failLocking(c class, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c != classTable || g.opening {
		g.freezeLocked(err)
		return true
	}
	g.tableErr = err
	if g.stalled {
		// There is no telling when the commits that wait would end: let them fail.
		g.freezeLocked(err)
	}
	return false
}

// tableWritten takes note that a table was, or can be, written whole.
func (g *guard) tableWritten() {
	g.mu.Lock()
	recovered := g.tableErr != nil
	g.tableErr = nil
	g.mu.Unlock()
	if recovered {
		g.changed()
	}
}

// pace delays the creation of a table after one could not be written.
func (g *guard) pace() {
	if _, failed := g.failure(); failed == nil {
		return
	}
	timer := time.NewTimer(g.retryEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.release:
	}
}

// Create implements vfs.FS.
func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	c := g.classify(name)
	if c == classTable {
		g.pace()
	}
	return g.open(c, name, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

// ReuseForWrite implements vfs.FS.
func (g *guard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.open(g.classify(newname), newname, func() (vfs.File, error) {
		return g.FS.ReuseForWrite(oldname, newname, category)
	})
}

// OpenReadWrite implements vfs.FS.
func (g *guard) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.open(g.classify(name), name, func() (vfs.File, error) {
		return g.FS.OpenReadWrite(name, category, opts...)
	})
}

// OpenDir implements vfs.FS.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil || g.classify(name) == classOther {
		return f, err
	}
	return &guardedFile{File: f, guard: g, class: classControl}, nil
}

// open opens a file for writing.
func (g *guard) open(c class, name string, open func() (vfs.File, error)) (vfs.File, error) {
	if c == classOther {
		return open()
	}
	if g.void(c) {
		return newVoidFile(name), nil
	}
	f, err := open()
	if err != nil {
		if err := g.fail(c, err); err != nil {
			return nil, err
		}
		return newVoidFile(name), nil
	}
	file := &guardedFile{File: f, guard: g, class: c}
	if c == classLog {
		g.mu.Lock()
		g.log = file
		g.mu.Unlock()
	}
	return file, nil
}

// Remove implements vfs.FS. A file that can not be removed costs space only, so
// that failure is pebble's to see.
func (g *guard) Remove(name string) error {
	if g.frozen.Load() && g.classify(name) != classOther {
		return nil
	}
	return g.FS.Remove(name)
}

// Rename implements vfs.FS.
func (g *guard) Rename(oldname, newname string) error {
	c := g.classify(newname)
	if g.void(c) {
		return nil
	}
	return g.fail(c, g.FS.Rename(oldname, newname))
}

// Link implements vfs.FS. Pebble links tables into checkpoints only.
func (g *guard) Link(oldname, newname string) error {
	if g.frozen.Load() {
		cause, _ := g.failure()
		return errors.Join(errors.New("the store's files are frozen"), cause)
	}
	return g.FS.Link(oldname, newname)
}

// Unwrap implements vfs.FS.
func (g *guard) Unwrap() vfs.FS { return g.FS }
