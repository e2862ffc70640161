package trie_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/pokt-network/smt"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// proven returns the proof of one of many leaves, its encoding and the root.
func proven(t testing.TB) (*smt.SparseCompactMerkleClosestProof, []byte, trie.Root) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(9, 9))
	sorted := inOrder(withPaths(rnd, shapes[2].paths(rnd, 40)))
	root, err := trie.ComputeRoot(stream(sorted))
	if err != nil {
		t.Fatal(err)
	}
	asked := branchOff(rnd, sorted[7].Path, 9)
	proof, bz, err := trie.Prove(stream(sorted), root, asked[:])
	if err != nil {
		t.Fatal(err)
	}
	return proof, bz, root
}

func TestVerify_RefusesAnotherRoot(t *testing.T) {
	proof, _, root := proven(t)
	for i := range root {
		other := root
		other[i] ^= 1
		if ok, err := trie.Verify(other, proof); ok || err != nil {
			t.Fatalf("byte %d: %v, %v", i, ok, err)
		}
	}
}

// The library accepts the proof of any leaf for any path: it believes the
// flipped bits. Verify looks at what is on the other side of them.
func TestVerify_RefusesALeafThatIsNotTheClosest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(10, 10))
	sorted := inOrder(withPaths(rnd, shapes[0].paths(rnd, 50)))
	root, err := trie.ComputeRoot(stream(sorted))
	if err != nil {
		t.Fatal(err)
	}
	honest, cheating := sorted[0].Path, sorted[30].Path
	proof, _, err := trie.Prove(stream(sorted), root, cheating[:])
	if err != nil {
		t.Fatal(err)
	}
	proof.Path = honest[:]
	proof.Depth = []byte{0} // the library compares no bit of the path then
	spec := trie.Spec()
	if ok, err := smt.VerifyCompactClosestProof(proof, root[:], &spec); !ok || err != nil {
		t.Fatalf("library verifies: %v, %v", ok, err)
	}
	if ok, err := trie.Verify(root, proof); ok || err != nil {
		t.Fatalf("verifies: %v, %v", ok, err)
	}
}

func TestVerify_RefusesMalformedProofs(t *testing.T) {
	type proof = smt.SparseCompactMerkleClosestProof
	tests := map[string]func(p *proof){
		"no inclusion":              func(p *proof) { p.ClosestProof = nil },
		"no path":                   func(p *proof) { p.Path = nil },
		"long path":                 func(p *proof) { p.Path = append(p.Path, 0) },
		"short closest path":        func(p *proof) { p.ClosestPath = p.ClosestPath[:31] },
		"deep":                      func(p *proof) { p.Depth = []byte{1, 1} },
		"depth of many bytes":       func(p *proof) { p.Depth = make([]byte, 9) },
		"flipped bit below path":    func(p *proof) { p.Depth, p.FlippedBits = []byte{1, 0}, [][]byte{{1, 0}} },
		"flipped bit of no bytes":   func(p *proof) { p.FlippedBits = [][]byte{{}} },
		"flipped bit below leaf":    func(p *proof) { p.FlippedBits = append(p.FlippedBits, []byte{255}) },
		"value without weight":      func(p *proof) { p.ClosestValueHash = p.ClosestValueHash[:15] },
		"no value":                  func(p *proof) { p.ClosestValueHash = nil },
		"nothing of no weight":      func(p *proof) { p.ClosestValueHash = make([]byte, 16) },
		"absent leaf":               func(p *proof) { p.ClosestProof.NonMembershipLeafData = make([]byte, 64) },
		"side node of a byte":       func(p *proof) { p.ClosestProof.SideNodes[1] = []byte{1} },
		"side node missing":         func(p *proof) { p.ClosestProof.SideNodes = p.ClosestProof.SideNodes[1:] },
		"too many side nodes":       func(p *proof) { p.ClosestProof.NumSideNodes = 257 },
		"negative side nodes":       func(p *proof) { p.ClosestProof.NumSideNodes = -1 },
		"no mask":                   func(p *proof) { p.ClosestProof.BitMask = nil },
		"sibling of no bytes":       func(p *proof) { p.ClosestProof.SiblingData = []byte{} },
		"sibling of no kind":        func(p *proof) { p.ClosestProof.SiblingData[0] = 3 },
		"sibling leaf cut":          func(p *proof) { p.ClosestProof.SiblingData = make([]byte, 48) },
		"sibling inner node cut":    func(p *proof) { p.ClosestProof.SiblingData = []byte{1, 2, 3} },
		"sibling extension cut":     func(p *proof) { p.ClosestProof.SiblingData = []byte{2, 0, 255} },
		"sibling is not the one":    func(p *proof) { p.ClosestProof.SiblingData = make([]byte, 60) },
		"mask with bits past its n": maskPastEnd,
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			p, _, root := proven(t)
			spoil(p)
			if ok, err := trie.Verify(root, p); ok || !errors.Is(err, trie.ErrMalformed) {
				t.Fatalf("verifies: %v, error %v", ok, err)
			}
		})
	}
	if ok, err := trie.Verify(trie.Root{}, nil); ok || !errors.Is(err, trie.ErrMalformed) {
		t.Errorf("nil verifies: %v, error %v", ok, err)
	}
}

// maskPastEnd declares one side node, gives none, and sets a bit of the mask
// that belongs to no side node.
func maskPastEnd(p *smt.SparseCompactMerkleClosestProof) {
	p.ClosestProof.NumSideNodes, p.ClosestProof.SideNodes, p.ClosestProof.BitMask = 1, nil, []byte{1}
}

// A proof is verified in more than one place at once.
func TestVerify_DoesNotWriteToTheProof(t *testing.T) {
	proof, _, root := proven(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if ok, err := trie.Verify(root, proof); !ok || err != nil {
				t.Errorf("verifies: %v, %v", ok, err)
			}
		})
	}
	wg.Wait()
}

func TestDecode_RefusesWhatIsNoProof(t *testing.T) {
	_, bz, _ := proven(t)
	var other bytes.Buffer
	if err := gob.NewEncoder(&other).Encode(map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		bz   []byte
		want error
	}{
		{"nothing", nil, trie.ErrMalformed},
		{"noise", []byte("not a proof"), trie.ErrMalformed},
		{"another type", other.Bytes(), trie.ErrMalformed},
		{"a cut proof", bz[:len(bz)/2], trie.ErrMalformed},
		{"a proof without fields", encoded(t, &smt.SparseCompactMerkleClosestProof{}), trie.ErrMalformed},
		{"too much", make([]byte, trie.MaxProofSize+1), trie.ErrProofSize},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if proof, err := trie.Decode(tt.bz); !errors.Is(err, tt.want) || proof != nil {
				t.Fatalf("%v, error %v", proof, err)
			}
		})
	}
}

func encoded(t testing.TB, proof *smt.SparseCompactMerkleClosestProof) []byte {
	t.Helper()
	bz, err := proof.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return bz
}

// FuzzDecode feeds bytes of a stranger to Decode and what it makes of them to
// Verify. Neither may panic.
func FuzzDecode(f *testing.F) {
	_, bz, root := proven(f)
	f.Add(bz)
	f.Add(bz[:len(bz)-40])
	for _, i := range []int{20, 200, 300, len(bz) - 100} {
		spoilt := slices.Clone(bz)
		spoilt[i] ^= 0x41
		f.Add(spoilt)
	}
	f.Fuzz(func(t *testing.T, bz []byte) {
		proof, err := trie.Decode(bz)
		if err != nil {
			return
		}
		verify(t, root, proof)
	})
}

// FuzzVerify changes the fields of a good proof one by one, where FuzzDecode
// would rarely get past the encoding.
func FuzzVerify(f *testing.F) {
	f.Add([]byte{9}, []byte{1}, []byte{0xff}, []byte{1, 2}, uint16(9), byte(3))
	f.Add([]byte{1, 0}, []byte{1, 0}, []byte{1}, []byte{}, uint16(1), byte(0))
	f.Add([]byte{}, []byte{0}, bytes.Repeat([]byte{0xff}, 32), bytes.Repeat([]byte{2}, 99), uint16(256), byte(7))
	f.Fuzz(func(t *testing.T, depth, flipped, mask, sibling []byte, sides uint16, which byte) {
		proof, _, root := proven(t)
		if which&1 != 0 {
			proof.Depth = depth
		}
		if which&2 != 0 {
			proof.FlippedBits = append(proof.FlippedBits, flipped)
		}
		if which&4 != 0 {
			proof.ClosestProof.BitMask = mask
		}
		if which&8 != 0 {
			proof.ClosestProof.SiblingData = sibling
		}
		if which&16 != 0 {
			proof.ClosestProof.NumSideNodes = int(int16(sides))
		}
		if which&32 != 0 {
			proof.ClosestProof.SideNodes = nil
		}
		if which&64 != 0 {
			proof.ClosestValueHash = sibling
		}
		verify(t, root, proof)
	})
}

// verify checks that Verify accepts nothing that the library refuses.
func verify(t *testing.T, root trie.Root, proof *smt.SparseCompactMerkleClosestProof) {
	t.Helper()
	ok, err := trie.Verify(root, proof)
	if !ok {
		return
	}
	if err != nil {
		t.Fatalf("verifies with error %v", err)
	}
	spec := trie.Spec()
	if ok, err := smt.VerifyCompactClosestProof(proof, root[:], &spec); !ok || err != nil {
		t.Fatalf("library verifies: %v, %v", ok, err)
	}
}
