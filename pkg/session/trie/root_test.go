package trie_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// relayLeaves returns the leaves of the given relay encodings as they are
// mined: keyed by their hash.
func relayLeaves(weight uint64, relays ...string) []trie.Leaf {
	var leaves []trie.Leaf
	for _, relay := range relays {
		hash := sha256.Sum256([]byte(relay))
		leaves = append(leaves, trie.Leaf{Path: trie.PathOf(hash[:]), Weight: weight, Value: []byte(relay)})
	}
	return inOrder(leaves)
}

func TestComputeRoot_KnownAnswers(t *testing.T) {
	tests := []struct {
		relays []string
		want   string
		sum    uint64
	}{
		{nil, "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000", 0},
		{[]string{"relay-0"}, "f56b96f291ee6cf96bcfbe62af9570972c16ac048cc134cfab0534721476fdb600000000000000640000000000000001", 100},
		{[]string{"relay-0", "relay-1"}, "635e00824a902d71454d2907765aef1a42279a85c220a440221e5a4b9c16bbfb00000000000000c80000000000000002", 200},
		{[]string{"relay-0", "relay-1", "relay-2"}, "e3a0bdc646fa235930608083409c8e4fb5f315d2cfd35096fd836095aba34de8000000000000012c0000000000000003", 300},
	}
	for _, tt := range tests {
		root, err := trie.ComputeRoot(stream(relayLeaves(100, tt.relays...)))
		if err != nil {
			t.Fatal(err)
		}
		if root.String() != tt.want {
			t.Errorf("%d relays: root %s, want %s", len(tt.relays), root, tt.want)
		}
		if root.Sum() != tt.sum || root.Count() != uint64(len(tt.relays)) {
			t.Errorf("%d relays: sum %d, count %d", len(tt.relays), root.Sum(), root.Count())
		}
		if hash := root.Hash(); hex.EncodeToString(hash[:]) != tt.want[:64] {
			t.Errorf("%d relays: hash %x", len(tt.relays), hash)
		}
	}
}

func TestComputeRoot_EmptyTrieIsTheLibrarys(t *testing.T) {
	requireRoot(t, library(t, nil), nil)
}

// A leaf that cannot be proven still counts as the library counts it.
func TestComputeRoot_CountsLeafWithoutValueAndWeight(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	leaves := []trie.Leaf{{Path: randomPath(rnd)}, {Path: randomPath(rnd), Weight: 1}, {Path: randomPath(rnd)}}
	if root := requireRoot(t, library(t, leaves), inOrder(leaves)); root.Count() != 3 || root.Sum() != 1 {
		t.Fatalf("count %d, sum %d", root.Count(), root.Sum())
	}
}

func TestComputeRoot_RefusesLeavesThatDoNotAscend(t *testing.T) {
	at := func(first, last byte) trie.Leaf {
		leaf := trie.Leaf{Weight: 1, Value: []byte{1}}
		leaf.Path[0], leaf.Path[trie.PathSize-1] = first, last
		return leaf
	}
	tests := map[string][]trie.Leaf{
		"duplicate":                 {at(1, 1), at(1, 1)},
		"duplicate at the end":      {at(1, 1), at(2, 0), at(3, 0), at(3, 0)},
		"descending in first byte":  {at(2, 0), at(1, 9)},
		"descending in last byte":   {at(1, 2), at(1, 1)},
		"earlier leaf comes again":  {at(1, 0), at(2, 0), at(1, 0)},
		"between two earlier ones":  {at(1, 0), at(3, 0), at(2, 0)},
		"duplicate of the zero one": {{}, {}},
	}
	for name, leaves := range tests {
		t.Run(name, func(t *testing.T) {
			if root, err := trie.ComputeRoot(stream(leaves)); !errors.Is(err, trie.ErrNotAscending) || root != (trie.Root{}) {
				t.Errorf("root %s, error %v", root, err)
			}
			if _, _, err := trie.Prove(stream(leaves), trie.Root{}, make([]byte, trie.PathSize)); !errors.Is(err, trie.ErrNotAscending) {
				t.Errorf("proof: error %v", err)
			}
		})
	}
}

func TestComputeRoot_RefusesSumAbove64Bits(t *testing.T) {
	leaves := relayLeaves(0, "a", "b", "c")
	leaves[0].Weight, leaves[2].Weight = math.MaxUint64-1, 1
	root, err := trie.ComputeRoot(stream(leaves))
	if err != nil || root.Sum() != math.MaxUint64 {
		t.Fatalf("largest sum: %d, %v", root.Sum(), err)
	}
	leaves[1].Weight = 1
	if _, err := trie.ComputeRoot(stream(leaves)); !errors.Is(err, trie.ErrSumOverflow) {
		t.Fatalf("error %v", err)
	}
}

func TestComputeRoot_PassesOnTheErrorThatEndsTheStream(t *testing.T) {
	broken := errors.New("disk on fire")
	leaves := relayLeaves(1, "a", "b")
	ended := false
	failing := func(yield func(trie.Leaf, error) bool) {
		defer func() { ended = true }()
		for _, leaf := range leaves {
			if !yield(leaf, nil) {
				return
			}
		}
		yield(trie.Leaf{}, broken)
	}
	if _, err := trie.ComputeRoot(failing); !errors.Is(err, broken) {
		t.Errorf("root: error %v", err)
	}
	if !ended {
		t.Error("stream was not ended")
	}
	if _, _, err := trie.Prove(failing, trie.Root{}, make([]byte, trie.PathSize)); !errors.Is(err, broken) {
		t.Errorf("proof: error %v", err)
	}
}

// synthetic streams n leaves in ascending order without holding them.
func synthetic(n int, value []byte) trie.Leaves {
	return func(yield func(trie.Leaf, error) bool) {
		rnd := rand.NewPCG(7, 7)
		step := math.MaxUint64 / uint64(n)
		leaf := trie.Leaf{Weight: 10, Value: value}
		for i := range n {
			head := uint64(i)*step + rnd.Uint64()%step
			for b := range 8 {
				leaf.Path[b] = byte(head >> (56 - 8*b))
			}
			if !yield(leaf, nil) {
				return
			}
		}
	}
}

func TestComputeRoot_AllocatesNothingPerLeaf(t *testing.T) {
	value := make([]byte, 300)
	cost := func(n int) float64 {
		return testing.AllocsPerRun(3, func() {
			if _, err := trie.ComputeRoot(synthetic(n, value)); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := cost(1), cost(20_000); many > few || many > 10 {
		t.Fatalf("%v allocations for one leaf, %v for 20000", few, many)
	}
}

func TestProve_AllocatesNothingPerLeaf(t *testing.T) {
	value := make([]byte, 300)
	asked := make([]byte, trie.PathSize)
	for i := range asked {
		asked[i] = 0xff // every leaf in turn is the closest so far
	}
	cost := func(n int) float64 {
		root, err := trie.ComputeRoot(synthetic(n, value))
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(3, func() {
			if _, _, err := trie.Prove(synthetic(n, value), root, asked); err != nil {
				t.Fatal(err)
			}
		})
	}
	// What grows is the depth of the proof: by 4 levels of a few allocations each.
	if few, many := cost(2_000), cost(32_000); many > few+200 {
		t.Fatalf("%v allocations for 2000 leaves, %v for 32000", few, many)
	}
}

func TestParseRoot_TakesExactlyARoot(t *testing.T) {
	want, err := trie.ComputeRoot(stream(relayLeaves(100, "relay-0")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := trie.ParseRoot(want[:]); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	for _, size := range []int{0, trie.RootSize - 1, trie.RootSize + 1} {
		if _, err := trie.ParseRoot(make([]byte, size)); !errors.Is(err, trie.ErrMalformed) {
			t.Errorf("%d bytes: error %v", size, err)
		}
	}
}
