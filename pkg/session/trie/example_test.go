package trie_test

import (
	"crypto/sha256"
	"fmt"
	"log"
	"slices"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// The claim of a session carries the root of its relays; the proof opens the
// relay closest to a path that is not known before.
func Example() {
	var leaves []trie.Leaf
	for _, relay := range []string{"relay-0", "relay-1", "relay-2"} {
		hash := sha256.Sum256([]byte(relay))
		leaves = append(leaves, trie.Leaf{Path: trie.PathOf(hash[:]), Weight: 100, Value: []byte(relay)})
	}
	slices.SortFunc(leaves, func(a, b trie.Leaf) int { return slices.Compare(a.Path[:], b.Path[:]) })
	stream := func(yield func(trie.Leaf, error) bool) {
		for _, leaf := range leaves {
			if !yield(leaf, nil) {
				return
			}
		}
	}

	root, err := trie.ComputeRoot(stream)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("claim %d compute units of %d relays\n", root.Sum(), root.Count())

	asked := sha256.Sum256([]byte("block hash and session id"))
	_, encoded, err := trie.Prove(stream, root, asked[:])
	if err != nil {
		log.Fatal(err)
	}

	proof, err := trie.Decode(encoded)
	if err != nil {
		log.Fatal(err)
	}
	ok, err := trie.Verify(root, proof)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("proof opens %q: %v\n", proof.ClosestValueHash[:len("relay-0")], ok)
	// Output:
	// claim 300 compute units of 3 relays
	// proof opens "relay-0": true
}
