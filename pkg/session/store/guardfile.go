package store

import (
	"io"
	"os"
	"path"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guardedFile is a file that pebble writes through the guard.
type guardedFile struct {
	vfs.File
	guard *guard
	class class

	// The rest is for the log of a lazy guard. syncing is held during a sync,
	// so that the file is not closed under it.
	syncing sync.Mutex
	closed  bool
	mu      sync.Mutex
	dirty   bool // written since the last sync began
}

// Write implements vfs.File.
func (f *guardedFile) Write(p []byte) (int, error) {
	if f.guard.void(f.class) {
		return len(p), nil
	}
	n, err := f.File.Write(p)
	if err != nil {
		if err := f.guard.fail(f.class, err); err != nil {
			return n, err
		}
		return len(p), nil
	}
	if f.deferred() {
		f.setDirty(true)
	}
	return n, nil
}

// WriteAt implements vfs.File.
func (f *guardedFile) WriteAt(p []byte, off int64) (int, error) {
	if f.guard.void(f.class) {
		return len(p), nil
	}
	n, err := f.File.WriteAt(p, off)
	if err != nil {
		if err := f.guard.fail(f.class, err); err != nil {
			return n, err
		}
		return len(p), nil
	}
	return n, nil
}

// Preallocate implements vfs.File. It is an optimisation whose failure means
// nothing.
func (f *guardedFile) Preallocate(offset, length int64) error {
	if f.guard.frozen.Load() {
		return nil
	}
	return f.File.Preallocate(offset, length)
}

// Sync implements vfs.File.
func (f *guardedFile) Sync() error { return f.sync(f.File.Sync) }

// SyncData implements vfs.File.
func (f *guardedFile) SyncData() error { return f.sync(f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *guardedFile) SyncTo(length int64) (bool, error) {
	var whole bool
	err := f.sync(func() (err error) {
		whole, err = f.File.SyncTo(length)
		return err
	})
	return whole, err
}

func (f *guardedFile) sync(do func() error) error {
	if f.deferred() || f.guard.void(f.class) {
		return nil
	}
	if err := do(); err != nil {
		return f.guard.fail(f.class, err)
	}
	if f.class == classTable {
		f.guard.tableWritten()
	}
	return nil
}

// deferred reports whether syncs of the file are left to syncDirty.
func (f *guardedFile) deferred() bool { return f.class == classLog && f.guard.lazy }

func (f *guardedFile) setDirty(dirty bool) (was bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, f.dirty = f.dirty, dirty
	return was
}

// syncDirty syncs the file if it was written since the last time. It may be
// called while the file is written and after it was closed.
func (f *guardedFile) syncDirty() {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.syncDirtyLocked()
}

func (f *guardedFile) syncDirtyLocked() {
	if f.closed || !f.setDirty(false) || f.guard.frozen.Load() {
		return
	}
	if err := f.File.SyncData(); err != nil {
		f.guard.freeze(err)
	}
}

// Close implements vfs.File. A log is synced first, so that the logs before the
// current one are always whole, as pebble demands.
func (f *guardedFile) Close() error {
	if f.deferred() {
		f.syncing.Lock()
		defer f.syncing.Unlock()
		f.syncDirtyLocked()
		f.closed = true
	}
	err := f.File.Close()
	if f.guard.frozen.Load() {
		return nil
	}
	return f.guard.fail(f.class, err)
}

// voidFile takes what pebble writes while the files are frozen.
type voidFile struct{ name string }

func newVoidFile(name string) vfs.File { return &voidFile{name: path.Base(name)} }

func (*voidFile) Close() error                           { return nil }
func (*voidFile) Read([]byte) (int, error)               { return 0, io.EOF }
func (*voidFile) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (*voidFile) Write(p []byte) (int, error)            { return len(p), nil }
func (*voidFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (*voidFile) Preallocate(int64, int64) error         { return nil }
func (*voidFile) Sync() error                            { return nil }
func (*voidFile) SyncTo(int64) (bool, error)             { return true, nil }
func (*voidFile) SyncData() error                        { return nil }
func (*voidFile) Prefetch(int64, int64) error            { return nil }
func (*voidFile) Fd() uintptr                            { return vfs.InvalidFd }
func (f *voidFile) Stat() (vfs.FileInfo, error)          { return voidInfo{f.name}, nil }

// voidInfo describes a void file: it is empty.
type voidInfo struct{ name string }

func (i voidInfo) Name() string         { return i.name }
func (voidInfo) Size() int64            { return 0 }
func (voidInfo) Mode() os.FileMode      { return 0 }
func (voidInfo) ModTime() time.Time     { return time.Time{} }
func (voidInfo) IsDir() bool            { return false }
func (voidInfo) Sys() any               { return nil }
func (voidInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
