package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatVersion is the version of the layout that the package comment shows.
const formatVersion = "1"

// formatPrefix begins the name of an empty file that marks the directory as a
// store; the version follows. It is a name, and not a key among the others,
// so that the version can be told before pebble touches anything, and whichever
// block is damaged. Pebble ignores files that it does not know.
const formatPrefix = "relaystore.format."

// checkFormat compares the version of the store in dir, and marks the directory
// if there is none. It fails with ErrFormat, or with fs.ErrNotExist if there is
// no store and none is to be made. Files that are not of a store, like those of
// another relay miner, do no harm and are left alone.
func checkFormat(dir string, files vfs.FS, readOnly bool) error {
	names, err := files.List(dir)
	if err != nil {
		return fmt.Errorf("opening relay store %s: %w", dir, err)
	}
	marked, database := false, ""
	for _, name := range names {
		if found, ok := strings.CutPrefix(name, formatPrefix); ok {
			if found != formatVersion {
				return fmt.Errorf("%w: %s has format %q, expected %q", ErrFormat, dir, found, formatVersion)
			}
			marked = true
		}
		if strings.HasPrefix(name, "MANIFEST-") || name == "CURRENT" {
			database = name
		}
	}
	switch {
	case marked:
		return nil
	case database != "":
		return fmt.Errorf("%w: %s has %s of another database, expected format %q", ErrFormat, dir, database, formatVersion)
	case readOnly:
		return fmt.Errorf("opening relay store %s: %w", dir, fs.ErrNotExist)
	}
	return markFormat(dir, files)
}

// markFormat makes the directory a store.
func markFormat(dir string, files vfs.FS) error {
	f, err := files.Create(files.PathJoin(dir, formatPrefix+formatVersion), vfs.WriteCategoryUnspecified)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = syncDir(dir, files)
	}
	if err != nil {
		return fmt.Errorf("creating relay store %s: %w", dir, err)
	}
	return nil
}

func syncDir(dir string, files vfs.FS) error {
	d, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
