package session

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"slices"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

// A session file holds one session:
//
//	magic (8) | version (4) | length (4) record | leaf... | 0x00 leaves (8) | checksum (32)
//	leaf = 0x01 path (32) weight (8) length (4) relay
//
// Integers are big endian, and leaves ascend by path. The record is the store's
// bytes, which are JSON. The checksum is the SHA-256 of all that precedes it.
// Nothing follows it.

// ErrFile is wrapped by the errors for bytes that are not a whole session file.
var ErrFile = errors.New("not an intact session file")

const (
	fileMagic   = "RMSESSN\n"
	fileVersion = 1

	leafFollows  = 0x01
	noMoreLeaves = 0x00

	// The longest record and relay that are read. Neither is met in practice: a
	// record has some kilobytes, a relay at most what the store takes.
	maxFileRecord = 64 << 20
	maxFileRelay  = 64 << 20

	fileBuffer = 64 << 10
)

// fileWriter writes a session file.
type fileWriter struct {
	to     *bufio.Writer
	sum    hash.Hash
	leaves uint64
}

func newFileWriter(w io.Writer, record []byte) (*fileWriter, error) {
	if len(record) > maxFileRecord {
		return nil, fmt.Errorf("a record of %d bytes is too large for a session file", len(record))
	}
	f := &fileWriter{to: bufio.NewWriterSize(w, fileBuffer), sum: sha256.New()}
	head := binary.BigEndian.AppendUint32([]byte(fileMagic), fileVersion)
	head = binary.BigEndian.AppendUint32(head, uint32(len(record)))
	return f, f.write(head, record)
}

// leaf writes the next leaf.
func (f *fileWriter) leaf(leaf store.Leaf) error {
	if len(leaf.Relay) > maxFileRelay {
		return fmt.Errorf("a relay of %d bytes is too large for a session file", len(leaf.Relay))
	}
	f.leaves++
	var head [1 + store.PathLen + 8 + 4]byte
	head[0] = leafFollows
	copy(head[1:], leaf.Path[:])
	binary.BigEndian.PutUint64(head[1+store.PathLen:], leaf.Weight)
	binary.BigEndian.PutUint32(head[1+store.PathLen+8:], uint32(len(leaf.Relay)))
	return f.write(head[:], leaf.Relay)
}

// finish ends the file. Without it the file is not intact.
func (f *fileWriter) finish() error {
	if err := f.write(binary.BigEndian.AppendUint64([]byte{noMoreLeaves}, f.leaves)); err != nil {
		return err
	}
	if _, err := f.to.Write(f.sum.Sum(nil)); err != nil {
		return err
	}
	return f.to.Flush()
}

func (f *fileWriter) write(parts ...[]byte) error {
	for _, part := range parts {
		_, _ = f.sum.Write(part) // never fails (package hash)
		if _, err := f.to.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// fileReader reads a session file from front to end.
type fileReader struct {
	from   *bufio.Reader
	sum    hash.Hash
	offset int64
	head   [store.PathLen + 8 + 4]byte // buffer for what is of fixed size
	// record is the record's bytes.
	record []byte
	// checksum is the file's, once all leaves are read without an error.
	checksum [sha256.Size]byte
}

// newFileReader reads the beginning of a session file. Errors of the reader wrap
// ErrFile, except those of r itself.
func newFileReader(r io.Reader) (*fileReader, error) {
	f := &fileReader{from: bufio.NewReaderSize(r, fileBuffer), sum: sha256.New()}
	head, err := f.take(len(fileMagic)+8, f.head[:0])
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(head, []byte(fileMagic)) {
		return nil, fmt.Errorf("%w: it does not begin like one", ErrFile)
	}
	if version := binary.BigEndian.Uint32(head[len(fileMagic):]); version != fileVersion {
		return nil, fmt.Errorf("%w: it has version %d, this relay miner reads version %d", ErrFile, version, fileVersion)
	}
	length := binary.BigEndian.Uint32(head[len(fileMagic)+4:])
	if length > maxFileRecord {
		return nil, f.fault("a record of %d bytes", length)
	}
	f.record, err = f.take(int(length), nil)
	return f, err
}

// leaves yields the leaves. When it ends without an error the whole file has
// been read and is intact. A leaf's relay is valid until the next step.
func (f *fileReader) leaves() iter.Seq2[store.Leaf, error] {
	return func(yield func(store.Leaf, error) bool) {
		var relay []byte
		var last *[store.PathLen]byte
		for count := uint64(0); ; count++ {
			kind, err := f.take(1, f.head[:0])
			if err == nil && kind[0] == noMoreLeaves {
				if err = f.end(count); err == nil {
					return
				}
			}
			if err == nil && kind[0] != leafFollows {
				err = f.fault("byte %#x where a leaf begins", kind[0])
			}
			var leaf store.Leaf
			if err == nil {
				leaf, err = f.leaf(relay, last)
			}
			if err != nil {
				yield(store.Leaf{}, err)
				return
			}
			relay, last = leaf.Relay, &leaf.Path
			if !yield(leaf, nil) {
				return
			}
		}
	}
}

// leaf reads what follows of a leaf after its first byte. The relay is read into
// the buffer if it fits.
func (f *fileReader) leaf(buffer []byte, last *[store.PathLen]byte) (store.Leaf, error) {
	head, err := f.take(store.PathLen+8+4, f.head[:0])
	if err != nil {
		return store.Leaf{}, err
	}
	leaf := store.Leaf{
		Path:   [store.PathLen]byte(head[:store.PathLen]),
		Weight: binary.BigEndian.Uint64(head[store.PathLen:]),
	}
	if last != nil && bytes.Compare(last[:], leaf.Path[:]) >= 0 {
		return store.Leaf{}, f.fault("leaf %x is not above the one before it", leaf.Path)
	}
	length := binary.BigEndian.Uint32(head[store.PathLen+8:])
	if length > maxFileRelay {
		return store.Leaf{}, f.fault("a relay of %d bytes", length)
	}
	leaf.Relay, err = f.take(int(length), buffer[:0])
	return leaf, err
}

// end reads what follows the last leaf.
func (f *fileReader) end(leaves uint64) error {
	count, err := f.take(8, f.head[:0])
	if err != nil {
		return err
	}
	if n := binary.BigEndian.Uint64(count); n != leaves {
		return f.fault("%d leaves instead of %d", leaves, n)
	}
	want := f.sum.Sum(nil)
	got, err := f.take(len(want), f.head[:0])
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return f.fault("the checksum does not match")
	}
	if _, err := f.from.ReadByte(); err == nil {
		return f.fault("something follows the checksum")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	f.checksum = [sha256.Size]byte(got)
	return nil
}

// take reads n bytes and appends them to buffer. Memory is taken as bytes arrive,
// not as the file announces them.
func (f *fileReader) take(n int, buffer []byte) ([]byte, error) {
	for len(buffer) < n {
		at := len(buffer)
		chunk := min(n-at, max(fileBuffer, cap(buffer)-at))
		buffer = slices.Grow(buffer, chunk)[:at+chunk]
		got, err := io.ReadFull(f.from, buffer[at:])
		_, _ = f.sum.Write(buffer[at : at+got]) // never fails (package hash)
		f.offset += int64(got)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, f.fault("it ends there")
		}
		if err != nil {
			return nil, err
		}
	}
	return buffer, nil
}

// fault returns an error that says what is wrong at which byte.
func (f *fileReader) fault(format string, args ...any) error {
	return fmt.Errorf("%w: at byte %d: %s", ErrFile, f.offset, fmt.Sprintf(format, args...))
}
