package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// Import puts the session in a file written by Export into the store, and
// reports whether all of it was there already. The sessions manager takes it up
// at its next start if it has no outcome. A session of which the store has the
// same record, or none, and some of the leaves, is completed.
//
// The file is read twice: nothing is written before all of it has proved to be
// intact and to hold the leaves of the recorded root. The record is written
// first: with its root, leaves that are missing after an interruption cannot be
// taken for a smaller session, and the import can be made again.
//
// It fails with ErrFile, with ErrExists if the store has something else of the
// session, and with ErrRefused if a sessions manager works on the store.
func (i *Inspector) Import(ctx context.Context, file io.ReadSeeker) (_ *Summary, alreadyThere bool, err error) {
	if i.live != nil {
		return nil, false, fmt.Errorf("%w: the relay miner is running, stop it to import a session", ErrRefused)
	}
	imported, err := inspectFile(ctx, file)
	if err != nil {
		return nil, false, err
	}
	summary := imported.summary()
	there, err := i.compare(ctx, imported, file)
	if err != nil || there == whole {
		return &summary, there == whole, err
	}
	if err := i.write(ctx, imported, file, there); err != nil {
		return nil, false, fmt.Errorf("import session %s: %w", title(imported.key), err)
	}
	return &summary, false, nil
}

// imported is a session in a file that has been read once.
type imported struct {
	stored
	checksum [sha256.Size]byte
	sums     Sums
}

// inspectFile reads the file and returns the session in it.
func inspectFile(ctx context.Context, file io.ReadSeeker) (*imported, error) {
	reader, err := rewind(file)
	if err != nil {
		return nil, err
	}
	record, err := DecodeRecord(reader.record)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	s := &imported{stored: decodeStored(record.Key(), reader.record)}
	if s.fault != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, s.fault)
	}
	if err := s.key.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	root, err := trie.ComputeRoot(trieLeaves(tee(reader.leaves(), func(leaf store.Leaf) error {
		s.sums.Leaves++
		s.sums.ComputeUnits += leaf.Weight
		s.sums.Bytes += uint64(len(leaf.Relay))
		if err := checkPath(leaf); err != nil {
			return fmt.Errorf("%w: leaf %x: %w", ErrFile, leaf.Path, err)
		}
		return ctx.Err()
	})))
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", title(s.key), err)
	}
	if err := checkSums(s.record, root); err != nil {
		return nil, fmt.Errorf("%w: session %s: %w", ErrFile, title(s.key), err)
	}
	s.checksum = reader.checksum
	return s, nil
}

// summary returns what is imported.
func (s *imported) summary() Summary {
	sum := s.stored.summary()
	sum.Relays, sum.ComputeUnits, sum.Bytes = s.sums.Leaves, s.sums.ComputeUnits, s.sums.Bytes
	return sum
}

// rewind begins to read a session file from the front.
func rewind(file io.ReadSeeker) (*fileReader, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return newFileReader(file)
}

// presence says how much of a session is in the store.
type presence int

const (
	nothing presence = iota
	part             // the record or some of the leaves
	whole
)

// compare finds out how much of the session the store has. It fails with
// ErrExists if that is anything that the file does not have.
func (i *Inspector) compare(ctx context.Context, s *imported, file io.ReadSeeker) (presence, error) {
	raw, err := i.store.Record(s.key)
	recorded := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nothing, storeError(err)
	}
	if recorded && !bytes.Equal(raw, s.raw) {
		return nothing, fmt.Errorf("%w: session %s has another record", ErrExists, title(s.key))
	}
	reader, err := rewind(file)
	if err != nil {
		return nothing, err
	}
	matching, all, err := sameLeaves(i.leaves(ctx, s.key), reader.leaves())
	switch {
	case err != nil:
		return nothing, fmt.Errorf("session %s: %w", title(s.key), err)
	case recorded && all:
		return whole, nil
	case recorded || matching > 0:
		return part, nil
	default:
		return nothing, nil
	}
}

// sameLeaves counts the leaves of have, all of which must be in file, and
// reports whether file has no others.
func sameLeaves(have, file iter.Seq2[store.Leaf, error]) (matching int, all bool, err error) {
	next, stop := iter.Pull2(have)
	defer stop()
	want, err, more := next()
	all = true
	for leaf, fileErr := range file {
		if err != nil || fileErr != nil {
			return 0, false, errors.Join(err, fileErr)
		}
		if !more || want.Path != leaf.Path {
			all = false
			continue
		}
		if want.Weight != leaf.Weight || !bytes.Equal(want.Relay, leaf.Relay) {
			return 0, false, fmt.Errorf("%w: in leaf %x", ErrExists, leaf.Path)
		}
		matching++
		want, err, more = next()
	}
	if err != nil {
		return 0, false, err
	}
	if more {
		return 0, false, fmt.Errorf("%w: leaf %x is not in the file", ErrExists, want.Path)
	}
	return matching, all, nil
}

// write writes the record and the leaves. What was written is taken back if the
// file is not the one that was inspected or cannot be read any more.
func (i *Inspector) write(ctx context.Context, s *imported, file io.ReadSeeker, there presence) (err error) {
	if there == nothing {
		defer func() {
			if err != nil {
				err = errors.Join(err, i.store.DeleteSession(s.key))
			}
		}()
	}
	reader, err := rewind(file)
	if err != nil {
		return err
	}
	if err := i.store.PutRecord(s.key, s.raw); err != nil {
		return err
	}
	batch := newLeafBatch(i.store, s.key)
	for leaf, err := range reader.leaves() {
		if err = errors.Join(err, ctx.Err()); err == nil {
			err = batch.add(leaf)
		}
		if err != nil {
			return errors.Join(err, batch.wait())
		}
	}
	if err := batch.wait(); err != nil {
		return err
	}
	if reader.checksum != s.checksum {
		return fmt.Errorf("%w: it was changed while it was read", ErrFile)
	}
	return i.store.Sync(ctx)
}

// leafBatch appends leaves to a session, a page at a time.
type leafBatch struct {
	store   *store.Store
	key     store.SessionKey
	results chan error // has room for one of each pending leaf; never closed
	pending int
	bytes   int
}

func newLeafBatch(st *store.Store, key store.SessionKey) *leafBatch {
	return &leafBatch{store: st, key: key, results: make(chan error, pageLeaves)}
}

// add appends a leaf. It waits for those before it when they fill a page: the
// store takes a large relay only by itself.
func (b *leafBatch) add(leaf store.Leaf) error {
	if b.pending == pageLeaves || b.bytes+len(leaf.Relay) > pageBytes {
		if err := b.wait(); err != nil {
			return err
		}
	}
	leaf.Relay = slices.Clone(leaf.Relay)
	if err := b.store.Append(b.key, leaf, func(err error) { b.results <- err }); err != nil {
		return err
	}
	b.pending++
	b.bytes += len(leaf.Relay)
	return nil
}

// wait waits until what was added is stored.
func (b *leafBatch) wait() error {
	var failed error
	for ; b.pending > 0; b.pending-- {
		if err := <-b.results; failed == nil {
			failed = err
		}
	}
	b.bytes = 0
	return failed
}
