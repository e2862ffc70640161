package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

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
