package trie_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session/trie"
	"github.com/seed52205347/relayminer/testutil/golden"
)

// Sessions that were claimed and proven on a real chain: the root is the one
// claimed, and the proof the one that the chain found valid.
func TestRootAndProof_EqualThoseAcceptedOnChain(t *testing.T) {
	sessions, err := golden.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions) == 0 {
		t.Fatal("no sessions recorded")
	}
	for _, s := range sessions {
		t.Run(s.Name, func(t *testing.T) {
			var leaves []trie.Leaf
			for i := range s.Relays {
				key, value, err := s.Relays[i].Leaf()
				if err != nil {
					t.Fatal(err)
				}
				leaves = append(leaves, trie.Leaf{Path: trie.PathOf(key), Weight: s.ComputeUnitsPerRelay, Value: value})
			}
			sorted := inOrder(leaves)

			root, err := trie.ComputeRoot(stream(sorted))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(root[:], s.ClaimRoot) {
				t.Fatalf("root %s, claimed %x", root, s.ClaimRoot)
			}
			_, bz, err := trie.Prove(stream(sorted), root, s.ProofPath())
			if err != nil {
				t.Fatal(err)
			}
			got, err := trie.Decode(bz)
			if err != nil {
				t.Fatal(err)
			}
			want, err := trie.Decode(s.Proof)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(normal(got), normal(want)) {
				t.Errorf("proof\n have %s\n want %s", show(normal(got)), show(normal(want)))
			}
			if ok, err := trie.Verify(root, want); !ok || err != nil {
				t.Errorf("accepted proof verifies: %v, %v", ok, err)
			}
		})
	}
}
