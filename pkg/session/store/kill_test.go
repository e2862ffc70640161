package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary becomes another process when childEnv is set, to what it is to
// do: see runChild.
const childEnv = "RELAYSTORE_TEST_CHILD"

// runChild does what childEnv says, and reports whether it was set.
func runChild() bool {
	job := strings.Fields(os.Getenv(childEnv))
	if len(job) == 0 {
		return false
	}
	var err error
	switch job[0] {
	case "append":
		err = childAppend(job[1], job[2], job[3])
	case "memory":
		err = childMemory(job[1], job[2])
	case "lock":
		_, err = Open(job[1], Options{})
	default:
		err = fmt.Errorf("unknown job %q", job)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

// child returns the command that runs a job in another process.
func child(t *testing.T, job ...any) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+strings.TrimSpace(fmt.Sprintln(job...)))
	cmd.Stderr = os.Stderr
	return cmd
}

// childAppend appends leaves, numbered from first, until it is killed, and
// writes the number of each that is acknowledged to its output.
func childAppend(dir, durability, first string) error {
	d, err := strconv.Atoi(durability)
	if err != nil {
		return err
	}
	from, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	s, err := Open(dir, Options{Durability: Durability(d), MemTableBytes: 256 * kib, ReclaimDelay: time.Millisecond})
	if err != nil {
		return err
	}
	for n := from; ; n++ {
		done := func(err error) {
			if err != nil {
				panic(err)
			}
			// One write, so that it is there whole or not at all.
			var bz [8]byte
			binary.BigEndian.PutUint64(bz[:], uint64(n))
			if _, err := os.Stdout.Write(bz[:]); err != nil {
				panic(err)
			}
		}
		err := s.Append(session(n%5), leaf(n, 700), done)
		for errors.Is(err, ErrBusy) {
			if err = s.Sync(context.Background()); err == nil {
				err = s.Append(session(n%5), leaf(n, 700), done)
			}
		}
		if err != nil {
			return err
		}
		if n%1000 == 0 {
			// Deletions and compactions go on meanwhile.
			if err := s.DeleteSession(session(1000)); err != nil {
				return err
			}
		}
	}
}

// roundsEnv multiplies the rounds of the tests that play with chance: kills,
// crashes and storms.
const roundsEnv = "RELAYSTORE_ROUNDS"

// rounds returns how many rounds a test plays.
func rounds(t *testing.T, n, short int) int {
	t.Helper()
	if testing.Short() {
		n = short
	}
	if v := os.Getenv(roundsEnv); v != "" {
		factor, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		n *= factor
	}
	return n
}

func TestKill_AcknowledgedRelaySurvives(t *testing.T) {
	kills := rounds(t, 5, 1)
	for _, durability := range []Durability{Reply, Interval} {
		t.Run(durability.String(), func(t *testing.T) {
			dir := t.TempDir()
			acknowledged := map[int]bool{}
			first := 0
			for range kills {
				first += killRound(t, dir, durability, first, acknowledged)
				s, err := Open(dir, Options{Durability: durability})
				if err != nil {
					t.Fatal(err)
				}
				stored := map[int]bool{}
				for i := range 5 {
					for n := range indexes(t, mustCollect(t, s, session(i))) {
						stored[n] = true
					}
				}
				closeStore(t, s)
				for n := range acknowledged {
					if !stored[n] {
						t.Fatalf("leaf %d was acknowledged and is lost", n)
					}
				}
			}
			if len(acknowledged) == 0 {
				t.Fatal("nothing was acknowledged")
			}
			t.Logf("%d kills, %d leaves acknowledged, none lost", kills, len(acknowledged))
		})
	}
}

// killRound runs a process that appends leaves, kills it at some moment, and
// adds what it acknowledged. It returns a number beyond the leaves it began.
func killRound(t *testing.T, dir string, d Durability, first int, acknowledged map[int]bool) int {
	t.Helper()
	cmd := child(t, "append", dir, int(d), first)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	var timer *time.Timer
	last := first
	for {
		var bz [8]byte
		if _, err := io.ReadFull(in, bz[:]); err != nil {
			break // it is dead
		}
		n := int(binary.BigEndian.Uint64(bz[:]))
		acknowledged[n] = true
		last = max(last, n)
		if timer == nil {
			// The child works: now its time runs.
			timer = time.AfterFunc(rand.N(500*time.Millisecond), func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
	}
	if timer == nil {
		t.Error("the child ended by itself")
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child was not killed: %v", err)
	}
	return last - first + 1_000_000
}

func TestOpen_RefusesDirectoryInUseByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	out, err := child(t, "lock", dir).Output()
	if err == nil || !bytes.Contains(out, []byte(ErrLocked.Error())) || !bytes.Contains(out, []byte(dir)) {
		t.Fatalf("%v: %s", err, out)
	}
}

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
