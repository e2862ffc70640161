package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

// export returns the file of a session.
func export(t testing.TB, st *store.Store, id string) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := NewInspector(st).Export(context.Background(), Name{ID: id}, &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// doImport imports a file.
func doImport(st *store.Store, file []byte) (summary *Summary, alreadyThere bool, err error) {
	return NewInspector(st).Import(context.Background(), bytes.NewReader(file))
}

// isEmpty reports whether the store has nothing of any session.
func isEmpty(t testing.TB, st *store.Store) bool {
	t.Helper()
	for range st.Records() {
		return false
	}
	for range st.Sessions() {
		return false
	}
	return true
}

func TestExport_ImportsAsItWas(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		from, to := openStore(t), openStore(t)
		s := goldenSession(t)
		tree := treeOf(t, from, s)
		if sealed {
			flush(t, tree)
		}
		key := tree.(*sessionTree).key
		file := export(t, from, key.SessionID)
		summary, alreadyThere, err := doImport(to, file)
		if err != nil || alreadyThere {
			t.Fatalf("sealed %v: already there: %v, %v", sealed, alreadyThere, err)
		}
		if summary.SessionID != key.SessionID || summary.Relays != uint64(len(s.Relays)) || summary.Bytes == 0 {
			t.Errorf("sealed %v: imported %+v", sealed, summary)
		}
		was, err := from.Record(key)
		if err != nil {
			t.Fatal(err)
		}
		is, err := to.Record(key)
		if err != nil || !bytes.Equal(was, is) {
			t.Errorf("sealed %v: record %s, was %s: %v", sealed, is, was, err)
		}
		if !reflect.DeepEqual(leavesOf(t, from, key), leavesOf(t, to, key)) {
			t.Errorf("sealed %v: the leaves differ", sealed)
		}
		if again := export(t, to, key.SessionID); !bytes.Equal(again, file) {
			t.Errorf("sealed %v: exported again, the file differs", sealed)
		}
		if _, alreadyThere, err := doImport(to, file); err != nil || !alreadyThere {
			t.Errorf("sealed %v: imported again: already there: %v, %v", sealed, alreadyThere, err)
		}
	}
}

func TestExport_SessionOfSeveralPagesImportsAsItWas(t *testing.T) {
	from, to := openStore(t), openStore(t)
	head := header()
	tree, err := NewSessionTree(from, head, testSupplier, 1)
	if err != nil {
		t.Fatal(err)
	}
	sizes := slices.Repeat([]int{100}, pageLeaves+10)
	sizes = append(sizes, pageBytes-1, pageBytes+1, 3*pageBytes)
	for i, size := range sizes {
		value := binary.BigEndian.AppendUint64(make([]byte, size), uint64(i))
		hash := sha256.Sum256(value)
		if err := tree.Update(hash[:], value, 100); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, tree)
	if _, _, err := doImport(to, export(t, from, head.SessionId)); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, to, Verification{All: true})[0]; !r.OK() || r.Leaves != uint64(len(sizes)) {
		t.Errorf("%d leaves: %+v", r.Leaves, r.Faults)
	}
}

func TestExport_RefusesASessionThatIsDamaged(t *testing.T) {
	st := openStore(t)
	key := addSealed(t, st, "session", 8, 3).Key()
	leaf := leavesOf(t, st, key)[0]
	leaf.Weight++
	putLeaf(t, st, key, leaf)
	var file bytes.Buffer
	if err := NewInspector(st).Export(t.Context(), Name{ID: "session"}, &file); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
	if _, _, err := doImport(openStore(t), file.Bytes()); !errors.Is(err, ErrFile) {
		t.Errorf("what was written is imported: %v", err)
	}
}

// smallFile returns the file of a session with two small relays.
func smallFile(t testing.TB) []byte {
	t.Helper()
	st := openStore(t)
	addSealed(t, st, "session", 8, 2)
	return export(t, st, "session")
}

func TestImport_RefusesATornFile(t *testing.T) {
	file := smallFile(t)
	st := openStore(t)
	for n := range file {
		if _, _, err := doImport(st, file[:n]); !errors.Is(err, ErrFile) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(file), err)
		}
	}
	if _, _, err := doImport(st, append(slices.Clone(file), 0)); !errors.Is(err, ErrFile) {
		t.Errorf("with a byte at the end: %v", err)
	}
	if !isEmpty(t, st) {
		t.Error("something was written")
	}
}

func TestImport_RefusesAnAlteredFile(t *testing.T) {
	file := smallFile(t)
	st := openStore(t)
	for n := range file {
		for bit := range 8 {
			file[n] ^= 1 << bit
			if _, _, err := doImport(st, file); !errors.Is(err, ErrFile) {
				t.Fatalf("bit %d of byte %d of %d flipped: %v", bit, n, len(file), err)
			}
			file[n] ^= 1 << bit
		}
	}
	if !isEmpty(t, st) {
		t.Error("something was written")
	}
	if _, _, err := doImport(st, file); err != nil {
		t.Errorf("the file as it was: %v", err)
	}
}

// forge returns a file that is well-formed, with the right checksum.
func forge(t testing.TB, record []byte, leaves ...store.Leaf) []byte {
	t.Helper()
	var bz bytes.Buffer
	file, err := newFileWriter(&bz, record)
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range leaves {
		if err := file.leaf(leaf); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.finish(); err != nil {
		t.Fatal(err)
	}
	return bz.Bytes()
}

// A file with a right checksum is still refused if it makes no sense.
func TestImport_RefusesAForgedFile(t *testing.T) {
	st := openStore(t)
	record := addSealed(t, st, "session", 8, 2)
	leaves := leavesOf(t, st, record.Key())
	encoded := func(change func(*Record)) []byte {
		r := record.clone()
		change(r)
		bz, err := encodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		return bz
	}
	same := encoded(func(*Record) {})
	changed := func(change func(*store.Leaf)) store.Leaf {
		leaf := leaves[1]
		change(&leaf)
		return leaf
	}
	open := encoded(func(r *Record) { r.State, r.Root, r.Relays, r.ComputeUnits = StateOpen, "", 0, 0 })
	for name, file := range map[string][]byte{
		"open, misplaced":   forge(t, open, leaves[0], changed(func(l *store.Leaf) { l.Path[31]++ })),
		"no record":         forge(t, nil, leaves...),
		"newer record":      forge(t, encoded(func(r *Record) { r.Version = 99 }), leaves...),
		"unknown state":     forge(t, encoded(func(r *Record) { r.State = "lost" }), leaves...),
		"no supplier":       forge(t, encoded(func(r *Record) { r.Supplier = "" }), leaves...),
		"long session id":   forge(t, encoded(func(r *Record) { r.SessionID = strings.Repeat("a", 256) }), leaves...),
		"negative height":   forge(t, encoded(func(r *Record) { r.EndHeight = -1 }), leaves...),
		"another root":      forge(t, encoded(func(r *Record) { r.Root = strings.Repeat("ab", 48) }), leaves...),
		"sealed, no root":   forge(t, encoded(func(r *Record) { r.Root = "" }), leaves...),
		"other sums":        forge(t, encoded(func(r *Record) { r.ComputeUnits++ }), leaves...),
		"leaf missing":      forge(t, same, leaves[0]),
		"leaf twice":        forge(t, same, leaves[0], leaves[0], leaves[1]),
		"leaves descending": forge(t, same, leaves[1], leaves[0]),
		"other weight":      forge(t, same, leaves[0], changed(func(l *store.Leaf) { l.Weight++ })),
		"other relay":       forge(t, same, leaves[0], changed(func(l *store.Leaf) { l.Relay = []byte("x") })),
	} {
		to := openStore(t)
		if _, _, err := doImport(to, file); !errors.Is(err, ErrFile) && !errors.Is(err, store.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
		if !isEmpty(t, to) {
			t.Errorf("%s: something was written", name)
		}
	}
	for _, record := range [][]byte{same, open} {
		if _, _, err := doImport(openStore(t), forge(t, record, leaves...)); err != nil {
			t.Errorf("the same in order: %v", err)
		}
	}
}

func TestImport_ChangesNoSessionThatIsThere(t *testing.T) {
	file := smallFile(t)
	for _, c := range []struct {
		name string
		harm func(t *testing.T, st *store.Store, key store.SessionKey)
	}{
		{"other record", func(t *testing.T, st *store.Store, key store.SessionKey) {
			if err := st.PutRecord(key, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}},
		{"one more leaf", func(t *testing.T, st *store.Store, key store.SessionKey) {
			putLeaf(t, st, key, store.Leaf{Path: [32]byte{0xff, 0xff}, Relay: []byte("more")})
		}},
		{"one more leaf in front", func(t *testing.T, st *store.Store, key store.SessionKey) {
			putLeaf(t, st, key, store.Leaf{Relay: []byte("more")})
		}},
		{"other leaf", func(t *testing.T, st *store.Store, key store.SessionKey) {
			leaf := leavesOf(t, st, key)[0]
			leaf.Relay = []byte("another")
			putLeaf(t, st, key, leaf)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := openStore(t)
			key := addSealed(t, st, "session", 8, 2).Key()
			// Times differ from the file's: the same record is needed to begin with.
			if err := st.DeleteSession(key); err != nil {
				t.Fatal(err)
			}
			if _, _, err := doImport(st, file); err != nil {
				t.Fatal(err)
			}
			c.harm(t, st, key)
			record, err := st.Record(key)
			if err != nil {
				t.Fatal(err)
			}
			leaves := leavesOf(t, st, key)
			if _, _, err := doImport(st, file); !errors.Is(err, ErrExists) {
				t.Errorf("got %v", err)
			}
			if now, err := st.Record(key); err != nil || !bytes.Equal(now, record) {
				t.Errorf("the record was changed: %v", err)
			}
			if !reflect.DeepEqual(leaves, leavesOf(t, st, key)) {
				t.Error("the leaves were changed")
			}
		})
	}
}

// An import that was interrupted anywhere is completed by the next one.
func TestImport_CompletesAnInterruptedImport(t *testing.T) {
	from := openStore(t)
	record := addSealed(t, from, "session", 8, 4)
	leaves := leavesOf(t, from, record.Key())
	file := export(t, from, "session")
	raw, err := from.Record(record.Key())
	if err != nil {
		t.Fatal(err)
	}
	for _, recorded := range []bool{true, false} {
		for n := range len(leaves) {
			to := openStore(t)
			if recorded {
				if err := to.PutRecord(record.Key(), raw); err != nil {
					t.Fatal(err)
				}
			}
			for _, leaf := range leaves[len(leaves)-n:] {
				putLeaf(t, to, record.Key(), leaf)
			}
			if _, alreadyThere, err := doImport(to, file); err != nil || alreadyThere {
				t.Errorf("recorded %v, %d leaves: already there: %v, %v", recorded, n, alreadyThere, err)
			}
			if again := export(t, to, "session"); !bytes.Equal(again, file) {
				t.Errorf("recorded %v, %d leaves: the session differs from the one in the file", recorded, n)
			}
		}
	}
}

// changing is a file that is another one from its third reading on, which is the
// one that is written to the store.
type changing struct {
	*bytes.Reader
	seeks int
	then  []byte
}

func (c *changing) Seek(offset int64, whence int) (int64, error) {
	if c.seeks++; c.seeks == 3 {
		c.Reader = bytes.NewReader(c.then)
	}
	return c.Reader.Seek(offset, whence)
}

func TestImport_TakesBackWhatItWroteOfAFileThatChanges(t *testing.T) {
	first := openStore(t)
	addSealed(t, first, "session", 8, 2)
	other := openStore(t)
	addSealed(t, other, "session", 8, 3)
	file := export(t, first, "session")
	for name, then := range map[string][]byte{
		"another session": export(t, other, "session"),
		"torn":            file[:len(file)-1],
		"empty":           nil,
	} {
		st := openStore(t)
		_, _, err := NewInspector(st).Import(t.Context(), &changing{Reader: bytes.NewReader(file), then: then})
		if !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
		if !isEmpty(t, st) {
			t.Errorf("%s: something was left", name)
		}
	}
}

// A session that is imported before its claim is claimed and paid.
func TestImport_SessionIsTakenUpAtTheNextStart(t *testing.T) {
	for _, state := range []State{StateOpen, StateClaiming, StateClaimed} {
		t.Run(string(state), func(t *testing.T) {
			c := newFakeChain(t)
			b := newBench(t, c)
			b.sendAll(0, 4)
			for b.state() != state {
				b.run(c.Latest().Height + 1)
			}
			b.stop()
			file := moveAway(t, b.dir)
			b.start()
			if records, err := Records(b.store); len(records) != 0 || err != nil {
				t.Fatalf("%d records are left, %v", len(records), err)
			}
			b.stop()
			moveIn(t, b.dir, file)
			b.start()
			b.run(c.windows(4).ProofClose)
			if record := b.record(); record.State != StateSettled || record.Relays != 4 {
				t.Errorf("the session is %s with %d relays: %+v", record.State, record.Relays, record.Timeline)
			}
		})
	}
}

// moveAway exports the one session of a store and drops it.
func moveAway(t *testing.T, dir string) []byte {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := export(t, st, header().SessionId)
	if _, err := NewInspector(st).Drop(t.Context(), Name{ID: header().SessionId}, true); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return file
}

func moveIn(t *testing.T, dir string, file []byte) {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := doImport(st, file); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Lengths that a file announces cost no memory before the bytes are there.
func TestImport_AnnouncedLengthsCostNothing(t *testing.T) {
	head := binary.BigEndian.AppendUint32([]byte(fileMagic), fileVersion)
	file := binary.BigEndian.AppendUint32(head, maxFileRecord)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := inspectFile(context.Background(), bytes.NewReader(file)); !errors.Is(err, ErrFile) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 1<<20 {
		t.Errorf("%d bytes were allocated for a file of %d", allocated, len(file))
	}
	if _, err := inspectFile(t.Context(), bytes.NewReader(binary.BigEndian.AppendUint32(head, maxFileRecord+1))); !errors.Is(err, ErrFile) {
		t.Errorf("a record beyond the limit: %v", err)
	}
}

// Whatever the bytes are, they are refused or are exactly what would be exported.
func FuzzImport(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(fileMagic))
	small := smallFile(f)
	f.Add(small)
	f.Add(small[:len(small)/2])
	record := []byte(`{"version":1,"supplier":"s","session_id":"i","state":"open","end_height":4}`)
	f.Add(forge(f, record))
	hash := sha256.Sum256(nil)
	f.Add(forge(f, record, store.Leaf{Path: sha256.Sum256(hash[:]), Weight: 1}))
	f.Fuzz(func(t *testing.T, bz []byte) {
		imported, err := inspectFile(t.Context(), bytes.NewReader(bz))
		if err != nil {
			return
		}
		reader, err := newFileReader(bytes.NewReader(bz))
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		writer, err := newFileWriter(&again, imported.raw)
		if err != nil {
			t.Fatal(err)
		}
		for leaf, err := range reader.leaves() {
			if err != nil {
				t.Fatal(err)
			}
			if err := writer.leaf(leaf); err != nil {
				t.Fatal(err)
			}
		}
		if err := writer.finish(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), bz) {
			t.Fatalf("%x is read as %x", bz, again.Bytes())
		}
	})
}

// benchmarkSession returns a store with one session of n relays of 1 kB.
func benchmarkSession(b *testing.B, n int) *store.Store {
	b.Helper()
	st := openStore(b)
	record := newRecord(header(), testSupplier, 1, now())
	batch := newLeafBatch(st, record.Key())
	for i := range n {
		relay := binary.BigEndian.AppendUint64(make([]byte, 1000), uint64(i))
		hash := sha256.Sum256(relay)
		if err := batch.add(store.Leaf{Path: sha256.Sum256(hash[:]), Weight: 100, Relay: relay}); err != nil {
			b.Fatal(err)
		}
	}
	if err := batch.wait(); err != nil {
		b.Fatal(err)
	}
	putRecord(b, st, record)
	flush(b, loadTree(st, func() (int64, time.Time) { return 1, now() }, record))
	return st
}

func BenchmarkExport(b *testing.B) {
	for _, n := range []int{1_000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			i := NewInspector(benchmarkSession(b, n))
			b.SetBytes(int64(n) * 1008)
			b.ReportAllocs()
			for b.Loop() {
				if err := i.Export(b.Context(), Name{ID: header().SessionId}, io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkImport(b *testing.B) {
	for _, n := range []int{1_000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			file := export(b, benchmarkSession(b, n), header().SessionId)
			b.SetBytes(int64(n) * 1008)
			b.ReportAllocs()
			for b.Loop() {
				st := openStore(b)
				if _, _, err := doImport(st, file); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
