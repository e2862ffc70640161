package trie

import "github.com/pokt-network/smt"

// inCurrent is the holder of the closest leaf while that leaf is below the
// fold's current subtree.
const inCurrent = -1

// opening watches a fold and collects the proof of the leaf that is closest to
// path among those seen so far.
type opening struct {
	path [PathSize]byte

	// holder is where the closest leaf is: an index into the fold's pending
	// subtrees, or inCurrent. It is pending where path turns left at a branch
	// along the newest leaf's path; no leaf to the right of that branch can
	// then be closer.
	holder int

	leaf    []byte // encoding of the closest leaf
	sibling []byte // encoding of the node beside it; empty for an only leaf
	sides   []Root // digests beside the way to it, from the bottom up
}

func newOpening(path [PathSize]byte) *opening {
	return &opening{path: path, holder: inCurrent}
}

// take makes leaf, which the fold is about to add, the closest one.
func (o *opening) take(leaf Leaf) {
	o.leaf = appendLeaf(o.leaf[:0], leaf)
	o.sides = o.sides[:0]
	o.holder = inCurrent
}

// arrive is called when leaf parts at depth from the newest one, with all
// complete subtrees joined and current about to become pending: its sibling is
// leaf so far.
func (o *opening) arrive(f *fold, leaf Leaf, depth int) {
	if o.holder != inCurrent {
		return
	}
	only := len(o.sides) == 0 // current is the closest leaf itself
	if bit(&o.path, depth) == 0 {
		o.holder = f.n
		if only {
			o.sibling = appendLeaf(o.sibling[:0], leaf)
		}
		return
	}
	if only {
		o.leaf, o.sibling = o.sibling, o.leaf
	} else {
		o.sibling = f.appendCurrent(o.sibling[:0])
	}
	o.take(leaf)
}

// join is called before the lowest pending subtree is joined with current.
func (o *opening) join(f *fold) {
	switch o.holder {
	case inCurrent:
		o.sides = append(o.sides, f.pending[f.n-1].digest)
	case f.n - 1:
		if len(o.sides) == 0 && !f.current.isLeaf {
			o.sibling = f.appendCurrent(o.sibling[:0]) // more leaves followed the one in there
		}
		o.sides = append(o.sides, f.current.digest)
		o.holder = inCurrent
	}
}

// lift is called for each node with a single child put on top of current.
func (o *opening) lift() {
	if o.holder == inCurrent {
		o.sides = append(o.sides, Root{})
	}
}

// proof returns what was collected, in the library's form. It shares the
// opening's memory.
//
// Where the way leads along single-child nodes, the library flips those bits of
// the path that point to nothing; the depth is the number of nodes above the
// leaf (smt: SMT.ProveClosest).
func (o *opening) proof() *smt.SparseMerkleClosestProof {
	closest := [PathSize]byte(o.leaf[1:leafHeadSize])
	depth := len(o.sides)
	flipped := make([]int, 0)
	for d := range depth {
		if bit(&o.path, d) != bit(&closest, d) {
			flipped = append(flipped, d)
		}
	}
	var sides [][]byte
	for i := range o.sides {
		sides = append(sides, o.sides[i][:])
	}
	return &smt.SparseMerkleClosestProof{
		Path:             o.path[:],
		FlippedBits:      flipped,
		Depth:            depth,
		ClosestPath:      o.leaf[1:leafHeadSize],
		ClosestValueHash: o.leaf[leafHeadSize:],
		ClosestProof:     &smt.SparseMerkleProof{SideNodes: sides, SiblingData: o.sibling},
	}
}
