package session

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// scaleRelays is the number of relays of the large session. The documented long
// run sets SESSION_SCALE_RELAYS=1000000.
func scaleRelays(t *testing.T) int {
	text := os.Getenv("SESSION_SCALE_RELAYS")
	if text == "" {
		return 30_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("SESSION_SCALE_RELAYS: %v", err)
	}
	return n
}

const (
	scaleChild = "SESSION_SCALE_CHILD" // set in the process that is measured

	relaySize = 1024
	// memoryLimit bounds the resident memory of the process, in MiB. The race
	// detector multiplies what a program needs, and is given no limit.
	memoryLimit = 300
)

func TestSession_MemoryDoesNotGrowWithItsRelays(t *testing.T) {
	// A process of its own: what other tests have used counts in this one.
	if os.Getenv(scaleChild) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), scaleChild+"=1")
		out, err := child.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	n := scaleRelays(t)
	st := openStore(t)
	tree := newTree(t, st).(*sessionTree)

	began := time.Now()
	insertMany(t, tree, n)
	recorded := time.Since(began)

	began = time.Now()
	root, err := tree.Flush()
	if err != nil {
		t.Fatal(err)
	}
	sealed := time.Since(began)
	if got := trie.Root(root); got.Count() != uint64(n) || got.Sum() != uint64(n)*100 {
		t.Fatalf("the root counts %d relays with %d compute units", got.Count(), got.Sum())
	}

	began = time.Now()
	path := sha256.Sum256([]byte("path"))
	if _, err := tree.ProveClosest(path[:]); err != nil {
		t.Fatal(err)
	}
	proven := time.Since(began)

	peak := peakMemory(t)
	t.Logf("%d relays of %d bytes: recorded in %s, sealed in %s, proven in %s, peak of %d MiB resident",
		n, relaySize, recorded.Round(time.Millisecond), sealed.Round(time.Millisecond), proven.Round(time.Millisecond), peak)
	if !raceDetector() && peak > memoryLimit {
		t.Errorf("%d MiB were resident, allowed are %d", peak, memoryLimit)
	}
}

// insertMany inserts n distinct relays, with so many on their way at once as
// clients would have.
func insertMany(t *testing.T, tree *sessionTree, n int) {
	t.Helper()
	var pending sync.WaitGroup
	places := make(chan struct{}, 1024)
	failures := make(chan error, 1)
	for i := range n {
		value := make([]byte, relaySize)
		binary.BigEndian.PutUint64(value, uint64(i))
		hash := sha256.Sum256(value)
		places <- struct{}{}
		pending.Add(1)
		tree.insert(trie.PathOf(hash[:]), value, 100, func(err error) {
			if err != nil {
				select {
				case failures <- err:
				default:
				}
			}
			<-places
			pending.Done()
		})
	}
	pending.Wait()
	select {
	case err := <-failures:
		t.Fatal(err)
	default:
	}
}

// peakMemory returns the most memory that was ever resident, in MiB.
func peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib / 1024
		}
	}
	t.Fatal("/proc/self/status has no VmHWM")
	return 0
}

// raceDetector reports whether the test was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}

func TestSessions_OpenFilesDoNotGrowWithTheirNumber(t *testing.T) {
	const sessions = 2000
	st := openStore(t)
	var trees []*sessionTree
	for i := range sessions {
		h := &sessiontypes.SessionHeader{
			ApplicationAddress: "pokt1app", ServiceId: "anvil", SessionId: fmt.Sprintf("session-%d", i),
			SessionStartBlockHeight: 1, SessionEndBlockHeight: 4,
		}
		tree, err := createTree(st, func() (int64, time.Time) { return 1, now() }, h, testSupplier)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree)
	}
	for _, tree := range trees {
		insertMany(t, tree, 3)
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d open sessions, %d open files", sessions, len(files))
	if len(files) > 100 {
		t.Errorf("%d files are open", len(files))
	}
}
