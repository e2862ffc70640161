package session

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

func TestKeeper_IsDrivenByBlocksAndWritesRecordsAsTheyChange(t *testing.T) {
	chain := newFakeChain(t)
	b := newBench(t, chain)
	dir := filepath.Join(t.TempDir(), "records")
	k, err := NewKeeper(b.manager, KeeperOptions{Relays: 5, Records: 200, RecordsDir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	b.sendAll(0, 3)
	w := chain.windows(4)
	b.toOutcome(w, StateSettled)
	b.rest()
	record := b.stored()
	path := filepath.Join(dir, "000000000004-pokt1supplier-session-1.json")
	eventually(t, "the outcome is in the file", func() bool { return readRecordFile(t, path).State == StateSettled })
	if mode := fileMode(t, path); mode != 0o640 {
		t.Errorf("the file has mode %o", mode)
	}
	outcome, _ := record.OutcomeHeight()
	chain.advance(outcome + 5)
	eventually(t, "the relays are purged", func() bool { return k.Stats().RelaysPurged == 1 })
	eventually(t, "the file says so", func() bool { return readRecordFile(t, path).RelaysPurged > 0 })
	file := readRecordFile(t, path)
	if file.Verdict != VerdictValid || len(file.Steps) != len(record.Timeline) || file.ClaimAttempts[0].TxBytes != nil {
		t.Errorf("the file has %+v", file)
	}
	chain.advance(outcome + 5 + 200 + pruneEvery)
	eventually(t, "record and file are gone", func() bool {
		_, err := os.Stat(path)
		return k.Stats().RecordsPurged == 1 && errors.Is(err, os.ErrNotExist)
	})
}

// readRecordFile reads a file; it is empty if there is none.
func readRecordFile(t *testing.T, path string) (file recordFile) {
	t.Helper()
	file.Record = &Record{}
	bz, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return file
	}
	if err == nil {
		err = json.Unmarshal(bz, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func fileMode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestKeeper_FileThatCannotBeWrittenIsWrittenWithTheNextChange(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	files, err := newRecordFiles(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	first, second := over(0, StateSettled, 20), over(1, StateSettled, 20)
	blocked := files.path(first.Key())
	if err := os.MkdirAll(filepath.Join(blocked, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	files.put(first)
	if err := files.flush(); err == nil || files.failed.Load() != 1 {
		t.Fatalf("error %v, %d failed", err, files.failed.Load())
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	files.put(second)
	if err := files.flush(); err != nil || files.written.Load() != 2 {
		t.Errorf("error %v, %d written", err, files.written.Load())
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("%d files, error %v", len(names), err)
	}
}

func TestKeeper_WritesFilesThatAnEarlierRunHasNot(t *testing.T) {
	dir := t.TempDir()
	st, k := openKept(t, KeeperOptions{RecordsDir: dir})
	record := over(0, StateSettled, 20)
	write(t, st, record, 1, 10, rand.NewChaCha8([32]byte{}))
	k.mustPass(t, 21)
	if err := k.files.flush(); err != nil || k.files.written.Load() != 1 {
		t.Fatalf("error %v, %d written", err, k.files.written.Load())
	}
	k.walk = purgeWalk{} // as another run begins
	k.mustPass(t, 22)
	if err := k.files.flush(); err != nil || k.files.written.Load() != 1 {
		t.Errorf("error %v, %d written: it was there", err, k.files.written.Load())
	}
}

func TestKeeper_OnlyFilesOfRecordsArePruned(t *testing.T) {
	dir := t.TempDir()
	files, err := newRecordFiles(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	old, young := "000000000100-pokt1-ab.json", "000000000101-pokt1-ab.json"
	others := []string{"notes.json", "100-a-b.json", "000000000100-a.json", "000000000100-a-b.txt", young}
	for _, name := range append([]string{old, old + ".tmp"}, others...) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.prune(100); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.Sort(others)
	if !slices.Equal(names, others) {
		t.Errorf("%q are left, want %q", names, others)
	}
}

func TestKeeper_FilesStayInTheirDirectory(t *testing.T) {
	files := &recordFiles{dir: "/records"}
	path := files.path(store.SessionKey{Supplier: "../../etc", SessionEnd: 7, SessionID: "a/b\x00"})
	if path != "/records/000000000007-______etc-a_b_.json" {
		t.Errorf("got %q", path)
	}
}
