package prover

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newJob returns a job for a tree of n leaves.
func newJob(t testing.TB, session string, n int) Job {
	t.Helper()
	var leaves []trie.Leaf
	for i := range n {
		key := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(session), uint64(i)))
		leaves = append(leaves, trie.Leaf{Path: trie.PathOf(key[:]), Weight: 100, Value: append(key[:], make([]byte, i%700)...)})
	}
	slices.SortFunc(leaves, func(a, b trie.Leaf) int { return slices.Compare(a.Path[:], b.Path[:]) })
	job := Job{Session: session, Path: sha256.Sum256([]byte("asked of " + session)), Leaves: streamOf(leaves)}
	root, err := trie.ComputeRoot(job.Leaves)
	if err != nil {
		t.Fatal(err)
	}
	job.Root = root
	return job
}

// streamOf yields leaves from one buffer, as the store does.
func streamOf(leaves []trie.Leaf) trie.Leaves {
	return func(yield func(trie.Leaf, error) bool) {
		var value []byte
		for _, leaf := range leaves {
			value = append(value[:0], leaf.Value...)
			leaf.Value = value
			if !yield(leaf, nil) {
				return
			}
		}
	}
}

// scripted is a prover whose verbs a test may replace.
type scripted struct {
	ready  func(ctx context.Context) error
	start  func(ctx context.Context, job Job) error
	result func(ctx context.Context) ([]byte, error)

	mu        sync.Mutex
	started   []string // sessions
	cancelled int
}

func (s *scripted) Ready(ctx context.Context) error {
	if s.ready == nil {
		return nil
	}
	return s.ready(ctx)
}

func (s *scripted) Start(ctx context.Context, _ string, job Job) error {
	s.mu.Lock()
	s.started = append(s.started, job.Session)
	s.mu.Unlock()
	if s.start == nil {
		return nil
	}
	return s.start(ctx, job)
}

func (s *scripted) Result(ctx context.Context, _ string) ([]byte, error) {
	if s.result == nil {
		return []byte("proof"), nil
	}
	return s.result(ctx)
}

func (s *scripted) Cancel(context.Context, string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled++
	return nil
}

// seen returns the sessions that were started, and how often Cancel was called.
func (s *scripted) seen() (started []string, cancelled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.started), s.cancelled
}

func remoteMember(id string, p Prover) Member { return Member{ID: id, Prover: p} }
func localMember(id string, p Prover) Member  { return Member{ID: id, Prover: p, Local: true} }

// newPool returns a pool that is stopped at the end of the test, and takes any proof
// but an empty one.
func newPool(t *testing.T, members ...Member) *Pool {
	t.Helper()
	return poolOf(t, Config{Members: members, Verify: func(_ Job, proof []byte) error {
		if len(proof) == 0 {
			return errOtherRoot
		}
		return nil
	}})
}

func poolOf(t *testing.T, config Config) *Pool {
	t.Helper()
	config.Log = slog.New(slog.DiscardHandler)
	p, err := NewPool(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustStop(t, p) })
	return p
}

func mustStop(t *testing.T, p *Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// prove acquires a prover and has it build a proof.
func prove(ctx context.Context, p *Pool, job Job) ([]byte, error) {
	lease, err := p.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	return lease.Prove(ctx, job)
}

func states(p *Pool) map[string]State {
	all := make(map[string]State)
	for _, s := range p.Stats() {
		all[s.ID] = s.State
	}
	return all
}
