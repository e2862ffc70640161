package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The number of relays of 1 KiB that TestMemory_StaysBounded stores.
const memoryRelaysEnv = "RELAYSTORE_MEMORY_RELAYS"

func TestMemory_StaysBounded(t *testing.T) {
	relays := "100000"
	if v := os.Getenv(memoryRelaysEnv); v != "" {
		relays = v
	}
	if testing.Short() {
		t.Skip("writes a hundred MiB")
	}
	if raceDetector {
		t.Skip("the race detector takes memory of its own")
	}
	out, err := child(t, "memory", t.TempDir(), relays).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", bytes.TrimSpace(out))
	var peak int
	if _, err := fmt.Sscanf(string(out), "peak %d MB", &peak); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if peak > 300 {
		t.Fatalf("%d MB resident, want 300 at most", peak)
	}
}

// childMemory appends relays of 1 KiB in 100 sessions, walks over all of them,
// and prints the peak of its resident memory.
func childMemory(dir, relays string) error {
	n, err := strconv.Atoi(relays)
	if err != nil {
		return err
	}
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	began := time.Now()
	src := rand.NewChaCha8([32]byte{})
	for i := range n {
		l := Leaf{Weight: 1, Relay: make([]byte, kib)}
		_, _ = src.Read(l.Path[:])
		_, _ = src.Read(l.Relay[:kib/2]) // the other half compresses
		for {
			err := s.Append(session(i%100), l, func(error) {})
			if err == nil {
				break
			}
			if !errors.Is(err, ErrBusy) {
				return err
			}
			if err := s.Sync(context.Background()); err != nil {
				return err
			}
		}
	}
	if err := s.Sync(context.Background()); err != nil {
		return err
	}
	appended := time.Since(began)
	began = time.Now()
	found := 0
	for i := range 100 {
		stats, err := s.Stats(session(i))
		if err != nil {
			return err
		}
		found += int(stats.Leaves)
	}
	if found != n {
		return fmt.Errorf("%d relays, want %d", found, n)
	}
	walked := time.Since(began)
	m := s.Metrics()
	if err := s.Close(context.Background()); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		var kb int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			fmt.Printf("peak %d MB; %d relays appended in %s, walked in %s; %d MB on disk in %d tables\n",
				kb/1000, n, appended.Round(time.Millisecond), walked.Round(time.Millisecond), m.DiskBytes/1_000_000, m.Tables)
			return nil
		}
	}
	return errors.New("no VmHWM")
}

func TestStore_OpenFilesDoNotGrowWithSessions(t *testing.T) {
	before := openFiles(t)
	s := open(t, t.TempDir(), Options{MemTableBytes: 256 * kib})
	most := 0
	for i := range 2000 {
		for n := range 10 {
			if err := s.Append(session(i), leaf(10*i+n, 500), func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		if i%50 == 0 {
			if err := s.Sync(context.Background()); err != nil {
				t.Fatal(err)
			}
			most = max(most, openFiles(t)-before)
		}
	}
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		if n, err := s.Count(session(i)); n != 10 || err != nil {
			t.Fatalf("session %d: %d leaves, %v", i, n, err)
		}
	}
	most = max(most, openFiles(t)-before)
	t.Logf("at most %d open files, %d tables", most, s.Metrics().Tables)
	if most >= 100 {
		t.Fatalf("%d open files", most)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(names) == 0 {
		t.Skip("open files can not be counted here")
	}
	return len(names)
}
