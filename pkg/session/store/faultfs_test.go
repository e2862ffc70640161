package store

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// faults makes operations on files fail. The functions it is made of are
// called for every operation.
type faults struct {
	vfs.FS
	fail func(op, name string) error
}

func (f *faults) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.fail("create", name); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, c)
	return f.wrap(file, name), err
}

func (f *faults) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.fail("create", name); err != nil {
		return nil, err
	}
	file, err := f.FS.ReuseForWrite(old, name, c)
	return f.wrap(file, name), err
}

func (f *faults) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.wrap(file, name), err
}

func (f *faults) Rename(old, name string) error {
	if err := f.fail("rename", name); err != nil {
		return err
	}
	return f.FS.Rename(old, name)
}

func (f *faults) Unwrap() vfs.FS { return f.FS }

func (f *faults) wrap(file vfs.File, name string) vfs.File {
	if file == nil {
		return nil
	}
	return &faultFile{file, f, name}
}

type faultFile struct {
	vfs.File
	faults *faults
	name   string
}

func (f *faultFile) Write(p []byte) (int, error) {
	if err := f.faults.fail("write", f.name); err != nil {
		// A failed write can leave a part behind.
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *faultFile) Sync() error {
	if err := f.faults.fail("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultFile) SyncData() error {
	if err := f.faults.fail("sync", f.name); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *faultFile) Close() error {
	return errors.Join(f.faults.fail("close", f.name), f.File.Close())
}
