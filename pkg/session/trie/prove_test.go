package trie_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

func TestProve_KnownAnswer(t *testing.T) {
	leaves := relayLeaves(100, "relay-0", "relay-1", "relay-2")
	root, err := trie.ComputeRoot(stream(leaves))
	if err != nil {
		t.Fatal(err)
	}
	asked, err := hex.DecodeString("d4f59ec6e5438a116a63877657c72e5db264943275472ab907a9b33a40bec681")
	if err != nil {
		t.Fatal(err)
	}
	proof, bz, err := trie.Prove(stream(leaves), root, asked)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(proof.ClosestPath); got != "a7098ae6903dd7330f37323d99043fa485ea9bbe126d99bbffa0e5caa061277f" {
		t.Errorf("closest path %s", got)
	}
	if got, want := proof.ClosestValueHash, "relay-0"+"\x00\x00\x00\x00\x00\x00\x00\x64"+"\x00\x00\x00\x00\x00\x00\x00\x01"; string(got) != want {
		t.Errorf("closest leaf holds %q, want %q", got, want)
	}
	if len(bz) != 547 {
		t.Errorf("encoded in %d bytes", len(bz))
	}
}

func TestProve_RepeatsItself(t *testing.T) {
	leaves := relayLeaves(100, "a", "b", "c", "d", "e")
	root, err := trie.ComputeRoot(stream(leaves))
	if err != nil {
		t.Fatal(err)
	}
	asked := trie.PathOf([]byte("asked"))
	first, _, err := trie.Prove(stream(leaves), root, asked[:])
	if err != nil {
		t.Fatal(err)
	}
	buffer := asked
	again, _, err := trie.Prove(stream(leaves), root, buffer[:])
	if err != nil {
		t.Fatal(err)
	}
	buffer[0] ^= 1 // the caller's own again
	if !reflect.DeepEqual(first, again) {
		t.Fatal("proofs differ")
	}
}

func TestProve_RefusesLeavesOfAnotherRoot(t *testing.T) {
	leaves := relayLeaves(100, "a", "b", "c")
	root, err := trie.ComputeRoot(stream(leaves))
	if err != nil {
		t.Fatal(err)
	}
	heavier := relayLeaves(100, "a", "b", "c")
	heavier[1].Weight++
	altered := relayLeaves(100, "a", "b", "c")
	altered[1].Value = []byte("x")
	for name, others := range map[string][]trie.Leaf{
		"one missing":       leaves[1:],
		"one more":          relayLeaves(100, "a", "b", "c", "d"),
		"another weight":    heavier,
		"another value":     altered,
		"no leaves left":    nil,
		"other leaf stolen": relayLeaves(100, "a", "b", "d"),
	} {
		if _, _, err := trie.Prove(stream(others), root, make([]byte, trie.PathSize)); !errors.Is(err, trie.ErrRootMismatch) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, _, err := trie.Prove(stream(leaves), root, make([]byte, trie.PathSize)); err != nil {
		t.Errorf("the right leaves: %v", err)
	}
}

func TestProve_RefusesWhatHasNoProof(t *testing.T) {
	one := []trie.Leaf{{}} // neither value nor weight
	hollow, err := trie.ComputeRoot(stream(one))
	if err != nil {
		t.Fatal(err)
	}
	huge := []trie.Leaf{{Weight: 1, Value: make([]byte, trie.MaxProofSize)}}
	hugeRoot, err := trie.ComputeRoot(stream(huge))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		leaves []trie.Leaf
		root   trie.Root
		path   []byte
		want   error
	}{
		{"empty trie", nil, trie.Root{}, make([]byte, trie.PathSize), trie.ErrEmpty},
		{"leaf without value and weight", one, hollow, make([]byte, trie.PathSize), trie.ErrUnprovable},
		{"leaf of the size of a block", huge, hugeRoot, make([]byte, trie.PathSize), trie.ErrProofSize},
		{"no path", one, hollow, nil, trie.ErrMalformed},
		{"short path", one, hollow, make([]byte, trie.PathSize-1), trie.ErrMalformed},
		{"long path", one, hollow, make([]byte, trie.PathSize+1), trie.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			proof, bz, err := trie.Prove(stream(tt.leaves), tt.root, tt.path)
			if !errors.Is(err, tt.want) || proof != nil || bz != nil {
				t.Fatalf("%v, %x, error %v", proof, bz, err)
			}
		})
	}
}

// The library proves the empty trie with a placeholder. That it does is the
// reason for a rule of our own.
func TestProve_EmptyTrieIsProvenByTheLibraryOnly(t *testing.T) {
	proof := libraryProof(t, library(t, nil), path{})
	if ok, err := trie.Verify(trie.Root{}, proof); ok || !errors.Is(err, trie.ErrMalformed) {
		t.Fatalf("verifies: %v, error %v", ok, err)
	}
}

// A relay of some size, first, last and only, goes through the buffers of the
// candidate and its sibling.
func TestProve_CarriesLargeValues(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	for _, n := range []int{1, 2, 3, 20} {
		leaves := withPaths(rnd, shapes[0].paths(rnd, n))
		for i := range leaves {
			leaves[i].Value = bytes.Repeat([]byte{byte(i)}, 100_000+i)
		}
		compare(t, rnd, leaves, 2)
	}
}
