package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

// A relay is appended while its session is open, and its reply is sent when the
// store has it. When the session is over its leaves are walked over in the order
// of the trie.
func Example() {
	dir, err := os.MkdirTemp("", "relaystore")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := store.Open(dir, store.Options{MinFreeBytes: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := store.SessionKey{Supplier: "pokt1supplier", SessionEnd: 60, SessionID: "5e55"}

	for _, relay := range []string{"one", "two", "three"} {
		hash := sha256.Sum256([]byte(relay))
		leaf := store.Leaf{Path: sha256.Sum256(hash[:]), Weight: 10, Relay: []byte(relay)}
		reply := make(chan error)
		if err := s.Append(key, leaf, func(err error) { go func() { reply <- err }() }); err != nil {
			fmt.Println(err)
			return
		}
		if err := <-reply; err != nil {
			fmt.Println(err)
			return
		}
	}

	if err := s.Sync(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	for leaf, err := range s.Leaves(key) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%x %d %s\n", leaf.Path[:4], leaf.Weight, leaf.Relay)
	}
	if err := s.PutRecord(key, []byte(`{"state":"sealed"}`)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Close(context.Background()))
	// Output:
	// 1dbfa84f 10 three
	// 313db63e 10 two
	// fe8d7a87 10 one
	// <nil>
}
