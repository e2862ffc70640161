package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

// maxPendingFiles bounds the records that wait to be written. Beyond it those of
// further sessions are not written before their next change.
const maxPendingFiles = 4096

// recordFileMode lets the operator's group read.
const recordFileMode = 0o640

// recordFile is the content of a record's file: the record, without the bytes of
// transactions, and what follows from it.
type recordFile struct {
	*Record
	Verdict Verdict `json:"verdict,omitempty"`
	Fees    Fees    `json:"fees"`
	Steps   []Step  `json:"steps"`
}

// recordFiles writes records as files. Who has a record to be written does not
// wait for that.
type recordFiles struct {
	dir  string
	log  *slog.Logger
	wake chan struct{} // has a token when there may be something to write; never closed

	written, failed atomic.Uint64

	mu      sync.Mutex
	pending map[store.SessionKey]*Record // the newest ones
}

// newRecordFiles returns the writer of the files in a directory, which it makes.
func newRecordFiles(dir string, log *slog.Logger) (*recordFiles, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("directory of records: %w", err)
	}
	return &recordFiles{
		dir: dir, log: log, wake: make(chan struct{}, 1), pending: make(map[store.SessionKey]*Record),
	}, nil
}

// put has a record written, which must not be changed any more.
func (f *recordFiles) put(record *Record) {
	f.mu.Lock()
	key := record.Key()
	_, waits := f.pending[key]
	if waits || len(f.pending) < maxPendingFiles {
		f.pending[key] = record
	} else {
		f.failed.Add(1)
		f.log.Warn("record is not written to its file: too many wait", "session", key.String())
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run writes what is put, until ctx ends.
func (f *recordFiles) run(ctx context.Context) error {
	for {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return nil
		}
		if err := f.flush(); err != nil {
			f.log.Error("records could not be written to their files, to be tried again at the next change",
				"dir", f.dir, "error", err)
		}
	}
}

// flush writes what waits. What could not be written goes on waiting, unless
// there is something newer; the error is the first one.
func (f *recordFiles) flush() error {
	f.mu.Lock()
	records := f.pending
	f.pending = make(map[store.SessionKey]*Record)
	f.mu.Unlock()
	var first error
	for key, record := range records {
		err := f.write(record)
		if err == nil {
			f.written.Add(1)
			continue
		}
		f.failed.Add(1)
		if first == nil {
			first = fmt.Errorf("record of session %s: %w", key, err)
		}
		f.mu.Lock()
		if _, newer := f.pending[key]; !newer && len(f.pending) < maxPendingFiles {
			f.pending[key] = record
		}
		f.mu.Unlock()
	}
	return first
}

// write replaces the file of a record. A reader sees the old one or the new one.
func (f *recordFiles) write(record *Record) error {
	shown := record.clone()
	shown.withoutTxBytes()
	bz, err := json.MarshalIndent(recordFile{shown, record.Verdict(), record.Fees(), record.Steps()}, "", "  ")
	if err != nil {
		return err
	}
	name := f.path(record.Key())
	temporary := name + unfinishedSuffix
	if err := os.WriteFile(temporary, append(bz, '\n'), recordFileMode); err != nil {
		return err
	}
	err = os.Chmod(temporary, recordFileMode) // whatever the mask
	if err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// fileSuffix ends the name of a record's file, after end height, supplier and
// session id; unfinishedSuffix comes behind it while the file is written.
const (
	fileSuffix       = ".json"
	unfinishedSuffix = ".tmp"
)

func (f *recordFiles) path(key store.SessionKey) string {
	name := fmt.Sprintf("%012d-%s-%s%s", key.SessionEnd, fileName(key.Supplier), fileName(key.SessionID), fileSuffix)
	return filepath.Join(f.dir, name)
}

// fileName returns a text as a part of a file's name.
func fileName(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-':
			return r
		}
		return '_'
	}, text)
}

// stale reports whether a record's file is older than the record, or missing.
func (f *recordFiles) stale(record *Record) bool {
	info, err := os.Stat(f.path(record.Key()))
	return err != nil || info.ModTime().Before(record.Timeline[len(record.Timeline)-1].Time)
}

// prune removes the files of sessions that ended at a height or before. Files that
// are not named like those of records are left alone.
func (f *recordFiles) prune(height int64) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("old records: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		end, ok := endOf(entry.Name())
		if !ok || end > height {
			continue
		}
		if err := os.Remove(filepath.Join(f.dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// endOf returns the height at which the session ended whose file has that name.
func endOf(name string) (height int64, ok bool) {
	base, isRecord := strings.CutSuffix(strings.TrimSuffix(name, unfinishedSuffix), fileSuffix)
	parts := strings.SplitN(base, "-", 3)
	if !isRecord || len(parts) != 3 || len(parts[0]) < 12 {
		return 0, false
	}
	height, err := strconv.ParseInt(parts[0], 10, 64)
	return height, err == nil && height >= 0
}
