package trie_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

const maxDepth = 8 * trie.PathSize

// path is the path of a leaf.
type path = [trie.PathSize]byte

// stream returns the leaves in ascending order, with one value buffer for all of
// them that is spoiled after each step, as a store's iterator would.
func stream(leaves []trie.Leaf) trie.Leaves {
	return func(yield func(trie.Leaf, error) bool) {
		var value []byte
		for _, leaf := range leaves {
			value = append(value[:0], leaf.Value...)
			leaf.Value = value
			if !yield(leaf, nil) {
				return
			}
			for i := range value {
				value[i] ^= 0xff
			}
		}
	}
}

// inOrder returns the leaves sorted by path.
func inOrder(leaves []trie.Leaf) []trie.Leaf {
	return slices.SortedFunc(slices.Values(leaves), func(a, b trie.Leaf) int {
		return bytes.Compare(a.Path[:], b.Path[:])
	})
}

// asPath is a path hasher that takes the key for the path, so that tests choose
// where leaves are.
type asPath struct{}

func (asPath) Path(key []byte) []byte { return key }
func (asPath) PathSize() int          { return trie.PathSize }

// library returns the library's trie of leaves, inserted in the order given.
func library(t testing.TB, leaves []trie.Leaf) *smt.SMST {
	t.Helper()
	lib := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(),
		smt.WithPathHasher(asPath{}), smt.WithValueHasher(nil))
	for _, leaf := range leaves {
		// The library keeps what it is given and appends to it.
		if err := lib.Update(slices.Clone(leaf.Path[:]), slices.Clip(slices.Clone(leaf.Value)), leaf.Weight); err != nil {
			t.Fatalf("library: %v", err)
		}
	}
	return lib
}

// libraryRoot returns the root of the library's trie.
func libraryRoot(t testing.TB, lib *smt.SMST) trie.Root {
	t.Helper()
	bz := []byte(lib.Root())
	if len(bz) != trie.RootSize {
		t.Fatalf("library's root has %d bytes", len(bz))
	}
	return trie.Root(bz)
}

// libraryProof returns the library's proof for p.
//
// The library does not record the depth of a leaf at depth 256, where only a
// path that shares 255 bits with another one leads. It is set here; without it
// the library could not compact a proof with flipped bits.
func libraryProof(t testing.TB, lib *smt.SMST, p path) *smt.SparseCompactMerkleClosestProof {
	t.Helper()
	full, err := lib.ProveClosest(p[:])
	if err != nil {
		t.Fatalf("library: %v", err)
	}
	if len(full.ClosestProof.SideNodes) == maxDepth {
		full.Depth = maxDepth
	}
	spec := trie.Spec()
	compact, err := smt.CompactClosestProof(full, &spec)
	if err != nil {
		t.Fatalf("library: %v", err)
	}
	return compact
}

// normal returns proof with those bits of an extension sibling's path cleared
// that are outside of the extension. They are not hashed, and which of the
// leaves below they come from depends on the order of insertion.
func normal(proof *smt.SparseCompactMerkleClosestProof) *smt.SparseCompactMerkleClosestProof {
	sibling := proof.ClosestProof.SiblingData
	if len(sibling) == 0 || sibling[0] != 2 {
		return proof
	}
	sibling = slices.Clone(sibling)
	from, to := int(sibling[1]), int(sibling[2])
	for i := range maxDepth {
		if i < from || i >= to {
			sibling[3+i/8] &^= 0x80 >> (i % 8)
		}
	}
	inclusion := *proof.ClosestProof
	inclusion.SiblingData = sibling
	copied := *proof
	copied.ClosestProof = &inclusion
	return &copied
}

// requireRoot checks that leaves have the library's root, and returns it.
func requireRoot(t testing.TB, lib *smt.SMST, sorted []trie.Leaf) trie.Root {
	t.Helper()
	want := libraryRoot(t, lib)
	got, err := trie.ComputeRoot(stream(sorted))
	if err != nil {
		t.Fatalf("%d leaves: %v", len(sorted), err)
	}
	if got != want {
		t.Fatalf("%d leaves: root %s, library has %s", len(sorted), got, want)
	}
	return got
}

// requireProof checks that the proof for p is the library's, as a value and
// after its encoding is decoded, and that the library's verifier accepts it.
func requireProof(t testing.TB, lib *smt.SMST, sorted []trie.Leaf, root trie.Root, p path) {
	t.Helper()
	proof, bz, err := trie.Prove(stream(sorted), root, p[:])
	if err != nil {
		t.Fatalf("%d leaves, path %x: %v", len(sorted), p, err)
	}
	want := normal(libraryProof(t, lib, p))
	if got := normal(proof); !reflect.DeepEqual(got, want) {
		t.Fatalf("%d leaves, path %x:\n have %s\n want %s", len(sorted), p, show(got), show(want))
	}
	spec := trie.Spec()
	if ok, err := smt.VerifyCompactClosestProof(proof, root[:], &spec); !ok || err != nil {
		t.Fatalf("%d leaves, path %x: library verifies: %v, %v", len(sorted), p, ok, err)
	}
	decoded, err := trie.Decode(bz)
	if err != nil {
		t.Fatalf("%d leaves, path %x: %v", len(sorted), p, err)
	}
	if ok, err := trie.Verify(root, decoded); !ok || err != nil {
		t.Fatalf("%d leaves, path %x: decoded proof verifies: %v, %v", len(sorted), p, ok, err)
	}
}

func show(proof *smt.SparseCompactMerkleClosestProof) string {
	return fmt.Sprintf("depth %x flipped %x leaf %x value %x inclusion %x",
		proof.Depth, proof.FlippedBits, proof.ClosestPath, proof.ClosestValueHash, *proof.ClosestProof)
}

// randomPath returns a uniformly random path.
func randomPath(rnd *rand.Rand) (p path) {
	for i := range p {
		p[i] = byte(rnd.Uint32())
	}
	return p
}

// flip returns p with the bit at depth flipped.
func flip(p path, depth int) path {
	p[depth/8] ^= 0x80 >> (depth % 8)
	return p
}

// branchOff returns a random path that shares exactly depth bits with p, or p
// itself for depth 256.
func branchOff(rnd *rand.Rand, p path, depth int) path {
	if depth == maxDepth {
		return p
	}
	q := randomPath(rnd)
	for i := range depth {
		mask := byte(0x80 >> (i % 8))
		q[i/8] = q[i/8]&^mask | p[i/8]&mask
	}
	mask := byte(0x80 >> (depth % 8))
	q[depth/8] = q[depth/8]&^mask | ^p[depth/8]&mask
	return q
}

// withPaths returns leaves at the paths of seq, each path once, with values and
// weights that differ.
func withPaths(rnd *rand.Rand, seq iter.Seq[path]) []trie.Leaf {
	var leaves []trie.Leaf
	seen := make(map[path]bool)
	for p := range seq {
		if seen[p] {
			continue
		}
		seen[p] = true
		value := make([]byte, 1+rnd.IntN(200))
		for i := range value {
			value[i] = byte(rnd.Uint32())
		}
		leaves = append(leaves, trie.Leaf{Path: p, Weight: rnd.Uint64N(1 << 40), Value: value})
	}
	return leaves
}

// askedPaths returns paths worth asking for: leaves, neighbours of leaves in
// every region of depth, the ends, and anything.
func askedPaths(rnd *rand.Rand, leaves []trie.Leaf, n int) []path {
	asked := []path{{}, path(bytes.Repeat([]byte{0xff}, trie.PathSize))}
	for range n {
		leaf := leaves[rnd.IntN(len(leaves))].Path
		asked = append(asked,
			leaf,
			flip(leaf, rnd.IntN(maxDepth)),
			flip(leaf, maxDepth-1),
			branchOff(rnd, leaf, rnd.IntN(maxDepth)),
			branchOff(rnd, leaf, rnd.IntN(16)),
			randomPath(rnd),
		)
	}
	return asked
}
