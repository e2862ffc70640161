package trie_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// keyed is a leaf's place in a benchmark's trie: the path and the number from
// which its key and value are made.
type keyed struct {
	path   path
	number uint32
}

// workload is a set of leaves of which only the paths are held.
type workload struct {
	sorted []keyed
	value  []byte
}

func newWorkload(n, valueSize int) *workload {
	w := &workload{sorted: make([]keyed, n), value: bytes.Repeat([]byte{0xa5}, valueSize)}
	for i := range w.sorted {
		key := w.key(uint32(i))
		w.sorted[i] = keyed{trie.PathOf(key[:]), uint32(i)}
	}
	slices.SortFunc(w.sorted, func(a, b keyed) int { return bytes.Compare(a.path[:], b.path[:]) })
	return w
}

func (w *workload) key(number uint32) [32]byte {
	var key [32]byte
	binary.BigEndian.PutUint32(key[:], number)
	return key
}

func (w *workload) valueOf(number uint32) []byte {
	binary.BigEndian.PutUint32(w.value, number)
	return w.value
}

func (w *workload) leaves(yield func(trie.Leaf, error) bool) {
	for i := range w.sorted {
		at := &w.sorted[i]
		if !yield(trie.Leaf{Path: at.path, Weight: 10, Value: w.valueOf(at.number)}, nil) {
			return
		}
	}
}

// library builds the trie as the library does, in the order in which relays
// would arrive, and returns it with the time that took.
func (w *workload) library(b *testing.B) (*smt.SMST, time.Duration) {
	b.Helper()
	lib := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	start := time.Now()
	for i := range uint32(len(w.sorted)) {
		key := w.key(i)
		if err := lib.Update(key[:], slices.Clip(slices.Clone(w.valueOf(i))), 10); err != nil {
			b.Fatal(err)
		}
	}
	lib.Root()
	return lib, time.Since(start)
}

// hashLimit returns the time that the hashes alone take which a trie of these
// leaves consists of: one per leaf and, for random paths, 1.44 per leaf for the
// nodes above.
func (w *workload) hashLimit() time.Duration {
	leaf := make([]byte, 1+trie.PathSize+len(w.value)+16)
	var inner [113]byte
	start := time.Now()
	for range w.sorted {
		sum := sha256.Sum256(leaf)
		copy(leaf, sum[:])
	}
	for range len(w.sorted) * 144 / 100 {
		sum := sha256.Sum256(inner[:])
		copy(inner[:], sum[:])
	}
	return time.Since(start)
}

// BenchmarkRoot reports the time per leaf beside the library's for Update and
// Root, and beside the time for the hashes alone.
func BenchmarkRoot(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("leaves=%d/value=1KiB", n), func(b *testing.B) {
			w := newWorkload(n, 1024)
			b.ReportAllocs()
			var root trie.Root
			for b.Loop() {
				var err error
				if root, err = trie.ComputeRoot(w.leaves); err != nil {
					b.Fatal(err)
				}
			}
			perLeaf := b.Elapsed() / time.Duration(b.N)
			limit := w.hashLimit()
			lib, libTime := w.library(b)
			if !bytes.Equal(lib.Root(), root[:]) {
				b.Fatal("root is not the library's")
			}
			report(b, n, perLeaf, libTime)
			b.ReportMetric(float64(perLeaf)/float64(limit), "x-hashing")
		})
	}
}

// BenchmarkProve reports the time of a proof from the leaves, in which the walk
// over all of them is included. The library's time includes its Updates, since
// it has no other way from leaves to a proof.
func BenchmarkProve(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("leaves=%d/value=1KiB", n), func(b *testing.B) {
			w := newWorkload(n, 1024)
			root, err := trie.ComputeRoot(w.leaves)
			if err != nil {
				b.Fatal(err)
			}
			asked := trie.PathOf([]byte("asked"))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := trie.Prove(w.leaves, root, asked[:]); err != nil {
					b.Fatal(err)
				}
			}
			perLeaf := b.Elapsed() / time.Duration(b.N)
			lib, libTime := w.library(b)
			start := time.Now()
			full, err := lib.ProveClosest(asked[:])
			if err != nil {
				b.Fatal(err)
			}
			spec := trie.Spec()
			compact, err := smt.CompactClosestProof(full, &spec)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := compact.Marshal(); err != nil {
				b.Fatal(err)
			}
			report(b, n, perLeaf, libTime+time.Since(start))
		})
	}
}

func report(b *testing.B, leaves int, ours, library time.Duration) {
	b.ReportMetric(float64(ours.Nanoseconds())/float64(leaves), "ns/leaf")
	b.ReportMetric(float64(library.Nanoseconds())/float64(leaves), "lib-ns/leaf")
	b.ReportMetric(float64(library)/float64(ours), "x-library")
}

func BenchmarkVerify(b *testing.B) {
	proof, _, root := proven(b)
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := trie.Verify(root, proof); !ok || err != nil {
			b.Fatalf("verifies: %v, %v", ok, err)
		}
	}
}
