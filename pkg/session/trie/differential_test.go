package trie_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// shapes are ways to choose n paths, from the usual to those that no hash will
// ever give.
var shapes = []struct {
	name  string
	paths func(rnd *rand.Rand, n int) iter.Seq[path]
}{
	{"uniform", func(rnd *rand.Rand, n int) iter.Seq[path] {
		return repeat(n, func(int) path { return randomPath(rnd) })
	}},
	{"all below one long prefix", func(rnd *rand.Rand, n int) iter.Seq[path] {
		base, shared := randomPath(rnd), rnd.IntN(maxDepth)
		return repeat(n, func(int) path { return branchOff(rnd, base, shared+rnd.IntN(maxDepth-shared)) })
	}},
	{"each off an earlier one at any depth", func(rnd *rand.Rand, n int) iter.Seq[path] {
		var made []path
		return repeat(n, func(i int) path {
			p := randomPath(rnd)
			if i > 0 {
				p = branchOff(rnd, made[rnd.IntN(i)], rnd.IntN(maxDepth))
			}
			made = append(made, p)
			return p
		})
	}},
	{"pairs that differ in the last bit", func(rnd *rand.Rand, n int) iter.Seq[path] {
		var last path
		return repeat(n, func(i int) path {
			if i%2 == 0 {
				last = randomPath(rnd)
				return last
			}
			return flip(last, maxDepth-1)
		})
	}},
	{"comb", func(rnd *rand.Rand, n int) iter.Seq[path] {
		base := randomPath(rnd)
		return repeat(n, func(i int) path { return flip(base, i%maxDepth) })
	}},
	{"few bits", func(rnd *rand.Rand, n int) iter.Seq[path] {
		return repeat(n, func(int) (p path) {
			for range rnd.IntN(4) {
				p = flip(p, rnd.IntN(maxDepth))
			}
			return p
		})
	}},
}

func repeat(n int, next func(i int) path) iter.Seq[path] {
	return func(yield func(path) bool) {
		for i := range n {
			if !yield(next(i)) {
				return
			}
		}
	}
}

// rounds returns how many times as many cases are to be run as by default.
func rounds(t *testing.T) int {
	text := os.Getenv("TRIE_TEST_ROUNDS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("TRIE_TEST_ROUNDS=%q is not a positive number", text)
	}
	return n
}

func TestRootAndProof_EqualTheLibrarysForRandomSets(t *testing.T) {
	sizes := []struct{ maxLeaves, sets, paths int }{
		{8, 120, 2},
		{64, 25, 2},
		{600, 4, 1},
	}
	for s, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(uint64(s), 1))
			for _, size := range sizes {
				for range size.sets * rounds(t) {
					leaves := withPaths(rnd, shape.paths(rnd, 1+rnd.IntN(size.maxLeaves)))
					compare(t, rnd, leaves, size.paths)
				}
			}
		})
	}
}

func TestRootAndProof_EqualTheLibrarysForLargeSets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for _, n := range []int{2_500, 10_000} {
		for range rounds(t) {
			compare(t, rnd, withPaths(rnd, shapes[0].paths(rnd, n)), 1)
		}
	}
}

// The deepest tries: every leaf one level below the one before it, so that all
// 256 left subtrees are pending at once, or none.
func TestRootAndProof_EqualTheLibrarysForChains(t *testing.T) {
	ones := path{}
	for i := range ones {
		ones[i] = 0xff
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	for name, base := range map[string]path{"left": {}, "right": ones, "zigzag": randomPath(rnd)} {
		t.Run(name, func(t *testing.T) {
			chain := repeat(maxDepth+1, func(i int) path {
				if i == maxDepth {
					return base
				}
				return flip(base, i)
			})
			compare(t, rnd, withPaths(rnd, chain), 10)
		})
	}
}

func TestRootAndProof_EqualTheLibrarysForPairs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	for shared := range maxDepth {
		base := randomPath(rnd)
		pair := []path{base, branchOff(rnd, base, shared)}
		compare(t, rnd, withPaths(rnd, slices.Values(pair)), 1)
	}
}

// compare checks root and proofs of leaves, which the library gets in the order
// given.
func compare(t *testing.T, rnd *rand.Rand, leaves []trie.Leaf, paths int) {
	t.Helper()
	lib := library(t, leaves)
	sorted := inOrder(leaves)
	root := requireRoot(t, lib, sorted)
	for _, p := range askedPaths(rnd, leaves, paths) {
		requireProof(t, lib, sorted, root, p)
	}
}

// FuzzAgainstLibrary reads each leaf from four bytes: which earlier leaf it
// branches off, at which depth, its weight and the length of its value. The
// first two bytes say the same of the path that is asked for.
func FuzzAgainstLibrary(f *testing.F) {
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 255, 0, 0, 1, 1})
	f.Add([]byte{1, 200, 0, 0, 1, 1, 0, 255, 2, 40, 1, 254, 3, 0, 0, 3, 200, 255})
	f.Add([]byte(fmt.Sprintf("%0200d", 7)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 6 || len(data) > 4_000 {
			return
		}
		rnd := rand.New(rand.NewPCG(uint64(len(data)), 5))
		asked, data := data[:2], data[2:]
		paths := []path{randomPath(rnd)}
		set := make(map[path]trie.Leaf)
		for ; len(data) >= 4; data = data[4:] {
			p := branchOff(rnd, paths[int(data[0])%len(paths)], int(data[1]))
			paths = append(paths, p)
			// A leaf without value and weight cannot be proven; hence the 1.
			set[p] = trie.Leaf{Path: p, Weight: 1 + uint64(data[2])<<32, Value: make([]byte, data[3])}
		}
		var leaves []trie.Leaf
		for _, p := range paths {
			if leaf, ok := set[p]; ok {
				leaves = append(leaves, leaf)
				delete(set, p)
			}
		}
		lib := library(t, leaves)
		sorted := inOrder(leaves)
		root := requireRoot(t, lib, sorted)
		requireProof(t, lib, sorted, root, branchOff(rnd, paths[int(asked[0])%len(paths)], int(asked[1])))
		requireProof(t, lib, sorted, root, paths[int(asked[0])%len(paths)])
	})
}
