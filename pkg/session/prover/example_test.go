package prover_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"

	"github.com/seed52205347/relayminer/pkg/session/prover"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

func Example() {
	quiet := slog.New(slog.DiscardHandler)
	handler, err := prover.NewHandler(prover.HandlerConfig{Prove: prover.Build, Log: quiet, Token: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	remote, err := prover.NewRemote(prover.RemoteConfig{URL: server.URL, Token: "secret", Client: server.Client()})
	if err != nil {
		log.Fatal(err)
	}
	local, err := prover.NewLocal(prover.Build)
	if err != nil {
		log.Fatal(err)
	}
	pool, err := prover.NewPool(prover.Config{
		Members: []prover.Member{{ID: "remote", Prover: remote}, {ID: "local", Prover: local, Local: true}},
		Verify:  prover.Check,
		Log:     quiet,
	})
	if err != nil {
		log.Fatal(err)
	}

	lease, err := pool.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer lease.Release()
	leaves := func(yield func(trie.Leaf, error) bool) {
		key := sha256.Sum256([]byte("relay"))
		yield(trie.Leaf{Path: trie.PathOf(key[:]), Weight: 100, Value: []byte("relay")}, nil)
	}
	root, err := trie.ComputeRoot(leaves)
	if err != nil {
		log.Fatal(err)
	}
	_, err = lease.Prove(context.Background(), prover.Job{
		Session: "session", Root: root, Path: sha256.Sum256([]byte("asked")), Leaves: leaves,
	})
	fmt.Println(err)

	for _, s := range pool.Stats() {
		fmt.Println(s.ID, s.State, s.Proofs)
	}
	fmt.Println(pool.Stop(context.Background()))
	// Output:
	// <nil>
	// remote idle 1
	// local idle 0
	// <nil>
}
