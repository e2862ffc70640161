package session

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// over returns the record of a session that came to an outcome at a height.
func over(n int, outcome State, height int64) *Record {
	h := header()
	h.SessionId = fmt.Sprintf("%064x", n)
	r := newRecord(h, testSupplier, 3, now())
	r.Relays = 2
	r.State = outcome
	r.Timeline = append(r.Timeline, Transition{State: outcome, Height: height, Time: now().Add(time.Minute)})
	r.ClaimAttempts = []relayer.TxAttempt{{Hash: "AB", TxBytes: []byte("signed")}}
	return r
}

// write writes a record and leaves of the given size.
func write(t testing.TB, st *store.Store, record *Record, leaves, size int, random *rand.ChaCha8) {
	t.Helper()
	bz, err := encodeRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.PutRecord(record.Key(), bz); err != nil {
		t.Fatal(err)
	}
	appendLeaves(t, st, record, leaves, size, random)
	if err := st.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// appendLeaves hands leaves over to the store, which may still be writing them
// when it returns.
func appendLeaves(t testing.TB, st *store.Store, record *Record, leaves, size int, random *rand.ChaCha8) {
	t.Helper()
	for i := range leaves {
		relay := make([]byte, size)
		if _, err := random.Read(relay); err != nil {
			t.Fatal(err)
		}
		leaf := store.Leaf{Path: sha256.Sum256(binary.BigEndian.AppendUint32(nil, uint32(i))), Weight: 1, Relay: relay}
		for {
			err := st.Append(record.Key(), leaf, nil)
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrBusy) {
				t.Fatal(err)
			}
			if err := st.Sync(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// openKept opens a store and a keeper of it that nothing drives.
func openKept(t *testing.T, opts KeeperOptions) (*store.Store, *Keeper) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{ReclaimDelay: time.Millisecond, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	opts.Logger = slog.New(slog.DiscardHandler)
	k, err := NewKeeper(&sessionsManager{deps: deps{store: st}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return st, k
}

func (k *Keeper) mustPass(t *testing.T, height int64) {
	t.Helper()
	if err := k.pass(height); err != nil {
		t.Fatal(err)
	}
}

// left describes what is left of each session: r for its relays, R for its record.
func left(t *testing.T, st *store.Store, records []*Record) (all []string) {
	t.Helper()
	for _, record := range records {
		text := ""
		if n, err := st.Count(record.Key()); err != nil {
			t.Fatal(err)
		} else if n > 0 {
			text += "r"
		}
		if _, err := st.Record(record.Key()); err == nil {
			text += "R"
		} else if !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

func TestKeeper_DeletesWhatIsDueAndNothingElse(t *testing.T) {
	st, k := openKept(t, KeeperOptions{Relays: 10, UnpaidRelays: 30, Records: 50})
	random := rand.NewChaCha8([32]byte{})
	records := []*Record{
		over(0, StateSettled, 20), over(1, StateEmpty, 20), over(2, StateExpired, 20), over(3, StateMissed, 20),
		over(4, StateSettled, 35), over(5, StateProven, 20), over(6, StateOpen, 20),
	}
	for _, record := range records {
		write(t, st, record, 2, 10, random)
	}
	for _, step := range []struct {
		height int64
		want   []string
	}{
		{29, []string{"rR", "rR", "rR", "rR", "rR", "rR", "rR"}},
		{30, []string{"R", "R", "rR", "rR", "rR", "rR", "rR"}},
		{45, []string{"R", "R", "rR", "rR", "R", "rR", "rR"}},
		{50, []string{"R", "R", "R", "R", "R", "rR", "rR"}},
		{70, []string{"", "", "", "", "R", "rR", "rR"}},
		{10_000, []string{"", "", "", "", "", "rR", "rR"}},
	} {
		k.mustPass(t, step.height)
		if got := left(t, st, records); !slices.Equal(got, step.want) {
			t.Errorf("at %d %q is left, want %q", step.height, got, step.want)
		}
	}
	if got, want := k.Stats(), (KeeperStats{RelaysPurged: 5, RecordsPurged: 5}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestKeeper_KeepsForEverWhatIsToBeKeptForEver(t *testing.T) {
	st, k := openKept(t, KeeperOptions{})
	records := []*Record{over(0, StateSettled, 20), over(1, StateMissed, 20)}
	for _, record := range records {
		write(t, st, record, 1, 10, rand.NewChaCha8([32]byte{}))
	}
	k.mustPass(t, 1<<40)
	if got := left(t, st, records); !slices.Equal(got, []string{"rR", "rR"}) {
		t.Errorf("%q is left", got)
	}
}

func TestKeeper_RecordSaysThatItsRelaysAreNotKept(t *testing.T) {
	st, k := openKept(t, KeeperOptions{Relays: 10})
	record := over(0, StateSettled, 20)
	record.Root = fmt.Sprintf("%096x", 7)
	write(t, st, record, 2, 10, rand.NewChaCha8([32]byte{}))
	k.mustPass(t, 33)
	inspector := NewInspector(st)
	name := Name{ID: record.SessionID}
	details, err := inspector.Show(t.Context(), name)
	if err != nil || details.Record.RelaysPurged != 33 || details.Record.ClaimAttempts[0].TxBytes != nil {
		t.Fatalf("%+v, error %v", details, err)
	}
	_, err = inspector.Prove(t.Context(), name, make([]byte, trie.PathSize))
	for what, err := range map[string]error{
		"prove":  err,
		"export": inspector.Export(t.Context(), name, io.Discard),
		"verify": inspector.Verify(t.Context(), Verification{Name: name}, func(Event) error { return nil }),
	} {
		if !errors.Is(err, ErrPurged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	reports := 0
	err = inspector.Verify(t.Context(), Verification{All: true}, func(Event) error { reports++; return nil })
	if err != nil || reports != 0 {
		t.Errorf("verifying all reports %d, error %v", reports, err)
	}
}

// failing refuses to delete as often as it is told to.
type failing struct {
	keeperStore
	times int
}

var errDisk = errors.New("disk")

func (f *failing) DeleteLeaves(records ...store.Record) error {
	if len(records) > 0 && f.times > 0 {
		f.times--
		return errDisk
	}
	return f.keeperStore.DeleteLeaves(records...)
}

func TestKeeper_GoesOnFromAFailedDeletionAtTheNextBlock(t *testing.T) {
	st, k := openKept(t, KeeperOptions{Relays: 10})
	k.store = &failing{keeperStore: st, times: 2}
	records := []*Record{over(0, StateSettled, 20)}
	write(t, st, records[0], 1, 10, rand.NewChaCha8([32]byte{}))
	for range 2 {
		if err := k.pass(40); !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
		if got := left(t, st, records); got[0] != "rR" || k.walk != (purgeWalk{}) {
			t.Errorf("%q is left, the walk is at %+v", got, k.walk)
		}
	}
	k.mustPass(t, 41)
	if got := left(t, st, records); got[0] != "R" {
		t.Errorf("%q is left", got)
	}
	if stats := k.Stats(); stats.PurgesFailed != 2 || stats.RelaysPurged != 1 {
		t.Errorf("stats %+v", stats)
	}
}

func TestKeeper_LeavesUnreadableRecordsAlone(t *testing.T) {
	st, k := openKept(t, KeeperOptions{Relays: 1, UnpaidRelays: 1, Records: 1})
	record := over(0, StateSettled, 20)
	write(t, st, record, 1, 10, rand.NewChaCha8([32]byte{}))
	if err := st.PutRecord(record.Key(), []byte("{")); err != nil {
		t.Fatal(err)
	}
	k.mustPass(t, 10_000)
	if got := left(t, st, []*Record{record}); got[0] != "rR" {
		t.Errorf("%q is left", got)
	}
}

// heap returns the bytes of what is reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestKeeper_PurgeOfTenThousandSessionsGivesMemoryAndDiskBack(t *testing.T) {
	const sessions, leaves, size = 10_000, 4, 1024
	st, k := openKept(t, KeeperOptions{Relays: 10, Records: 20})
	before := heap()
	random := rand.NewChaCha8([32]byte{})
	for n := 0; n < sessions; n += 500 {
		var records []store.Record
		for i := range 500 {
			record := over(n+i, StateSettled, 20)
			appendLeaves(t, st, record, leaves, size, random)
			bz, err := encodeRecord(record)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, store.Record{Key: record.Key(), Value: bz})
		}
		if err := st.PutRecords(records...); err != nil {
			t.Fatal(err)
		}
	}
	full := st.Metrics().DiskBytes
	if full < sessions*leaves*size/2 {
		t.Fatalf("%d bytes are on disk: the test does not see them", full)
	}
	passes := sessions/passRecords + 1
	for range passes {
		k.mustPass(t, 30)
	}
	if stats := k.Stats(); stats.RelaysPurged != sessions {
		t.Fatalf("stats %+v", stats)
	}
	// What else is on disk are the records and logs that are written over.
	const slack = 16 << 20
	eventually(t, "the disk space is returned", func() bool { return st.Metrics().DiskBytes < slack })
	for range passes {
		k.mustPass(t, 40)
	}
	if stats := k.Stats(); stats.RecordsPurged != sessions {
		t.Fatalf("stats %+v", stats)
	}
	for record, err := range st.Records() {
		t.Fatalf("%v is left, error %v", record.Key, err)
	}
	eventually(t, "the disk space of records is returned", func() bool { return st.Metrics().DiskBytes < slack/2 })
	if after := heap(); after > 2*before+8<<20 {
		t.Errorf("the heap had %d bytes before and has %d now", before, after)
	}
	t.Logf("disk %d KiB, then %d KiB", full>>10, st.Metrics().DiskBytes>>10)
}

func TestNewKeeper_RefusesRecordsThatGoBeforeTheirRelays(t *testing.T) {
	_, err := NewKeeper(&sessionsManager{}, KeeperOptions{Relays: 5, Records: 4})
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
