package cli

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/session/prover"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// startProver runs the command and returns where it listens.
func startProver(t *testing.T, args ...string) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	root := newRootCommand()
	root.SetArgs(append([]string{"prover", "--listen", "127.0.0.1:0"}, args...))
	root.SetOut(in)
	root.SetErr(io.Discard)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the prover ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(line, "ready at ")
	if err != nil || !ok {
		t.Fatalf("printed %q, error %v", line, err)
	}
	return "http://" + strings.TrimSpace(address)
}

// oneLeaf is a job for a tree of one leaf.
func oneLeaf(t *testing.T) prover.Job {
	t.Helper()
	leaf := trie.Leaf{Path: trie.PathOf([]byte("key")), Weight: 1, Value: []byte("value")}
	job := prover.Job{Session: "s", Path: leaf.Path, Leaves: func(yield func(trie.Leaf, error) bool) { yield(leaf, nil) }}
	var err error
	if job.Root, err = trie.ComputeRoot(job.Leaves); err != nil {
		t.Fatal(err)
	}
	return job
}

func TestProver_BuildsProofsForARelayMinerThatHasItsToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := startProver(t, "--token-file", token)
	log := slog.New(slog.DiscardHandler)
	for _, test := range []struct {
		token  config.Secret
		remote bool
	}{{"secret", true}, {"wrong", false}} {
		cfg := &config.Config{Provers: []*config.Prover{{URL: url, Token: test.token}}}
		pool, err := openProvers(depinject.Supply(log), cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		lease, err := pool.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := lease.Prove(ctx, oneLeaf(t))
		if err != nil || prover.Check(oneLeaf(t), proof) != nil {
			t.Errorf("token %q: %v", test.token.Reveal(), err)
		}
		if built := pool.Stats()[0].Proofs == 1; built != test.remote {
			t.Errorf("token %q: the other machine has built it: %v", test.token.Reveal(), built)
		}
		if err := pool.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestProver_RefusesWhatItCannotDo(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--listen is not set": nil,
		"--jobs is 0":         {"--listen", "127.0.0.1:0", "--jobs", "0"},
		"belong together":     {"--listen", "127.0.0.1:0", "--tls-cert", "x"},
		"is empty":            {"--listen", "127.0.0.1:0", "--token-file", empty},
		"--listen:":           {"--listen", "127.0.0.1:99999"},
	} {
		root := newRootCommand()
		root.SetArgs(append([]string{"prover"}, args...))
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", args, err, want)
		}
	}
}
