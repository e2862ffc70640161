package trie

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/bits"
)

// maxDepth is the number of bits of a path, and with that the depth of the
// deepest leaf that is possible.
const maxDepth = 8 * PathSize

// Sizes and first bytes of encoded nodes (smt: node_encoders.go).
const (
	leafKind      = 0
	innerKind     = 1
	extensionKind = 2

	weightSize    = 16 // weight and count at the end of every node
	leafHeadSize  = 1 + PathSize
	leafMinSize   = leafHeadSize + weightSize
	innerSize     = 1 + 2*RootSize + weightSize
	extensionSize = 1 + 2 + PathSize + RootSize + weightSize
)

// fold reduces ascending leaves to the digest of the trie's topmost node. The
// zero value is not ready for use; see newFold.
type fold struct {
	hash hash.Hash // writing to it never fails

	// pending[:n] are the complete left subtrees along the path of the newest
	// leaf, from the top down. The rest of the leaves so far, the newest among
	// them, are below current.
	pending [maxDepth]leftSubtree
	n       int
	current subtree

	newest [PathSize]byte // path of the newest leaf
	leaves uint64
	sum    uint64

	// opening collects a proof on the way; nil when only the root is wanted.
	opening *opening

	// Preimages of digests. They are fields so that they do not escape to the
	// heap each time. inner stays as it is until the next inner node.
	inner    [innerSize]byte
	leafHead [leafHeadSize]byte
	leafTail [weightSize]byte
}

// leftSubtree is a complete subtree that waits for its sibling on the right.
type leftSubtree struct {
	digest Root
	parent int // depth of the branch that will join the two
}

// subtree is the rightmost subtree of those being folded.
type subtree struct {
	digest Root // of the topmost node
	isLeaf bool // its depth is open then: it hangs below whatever comes to join it

	// Of a subtree that is not a leaf:
	top    int  // depth of the topmost node
	branch int  // depth of the topmost node with two children, >= top
	below  Root // digest of that node; set if branch > top
}

func newFold(o *opening) *fold {
	f := &fold{hash: sha256.New(), opening: o}
	f.leafHead[0] = leafKind
	f.inner[0] = innerKind
	binary.BigEndian.PutUint64(f.leafTail[8:], 1)
	return f
}

// run folds all leaves and returns the root.
func (f *fold) run(leaves Leaves) (Root, error) {
	for leaf, err := range leaves {
		if err != nil {
			return Root{}, fmt.Errorf("leaf %d: %w", f.leaves, err)
		}
		if err := f.add(leaf); err != nil {
			return Root{}, fmt.Errorf("leaf %d, path %x: %w", f.leaves, leaf.Path, err)
		}
	}
	f.complete(-1)
	f.lift(0)
	return f.current.digest, nil
}

// add takes the next leaf in.
func (f *fold) add(leaf Leaf) error {
	sum, carry := bits.Add64(f.sum, leaf.Weight, 0)
	if carry != 0 {
		return ErrSumOverflow
	}
	if f.leaves > 0 {
		depth, ascending := parting(&f.newest, &leaf.Path)
		if !ascending {
			return ErrNotAscending
		}
		f.complete(depth)
		f.lift(depth + 1)
		if f.opening != nil {
			f.opening.arrive(f, leaf, depth)
		}
		f.pending[f.n] = leftSubtree{digest: f.current.digest, parent: depth}
		f.n++
	} else if f.opening != nil {
		f.opening.take(leaf)
	}
	f.sum = sum
	f.leaves++
	f.newest = leaf.Path
	f.current.isLeaf = true
	f.hashLeaf(leaf)
	return nil
}

// complete joins what cannot grow any more once a leaf parts from the newest
// one at depth: all that is to be joined by branches deeper than that.
func (f *fold) complete(depth int) {
	for f.n > 0 && f.pending[f.n-1].parent > depth {
		left := &f.pending[f.n-1]
		f.lift(left.parent + 1)
		if f.opening != nil {
			f.opening.join(f)
		}
		f.hashInner(&left.digest, &f.current.digest)
		f.current.isLeaf = false
		f.current.top, f.current.branch = left.parent, left.parent
		f.n--
	}
}

// lift puts inner nodes with a single child on top of current until its topmost
// node is at depth. A leaf is at any depth already.
func (f *fold) lift(depth int) {
	c := &f.current
	if c.isLeaf || c.top == depth {
		return
	}
	c.below = c.digest // a subtree is lifted once: it is joined or becomes pending next
	var none Root
	for c.top > depth {
		c.top--
		if bit(&f.newest, c.top) == 0 {
			f.hashInner(&c.digest, &none)
		} else {
			f.hashInner(&none, &c.digest)
		}
		if f.opening != nil {
			f.opening.lift()
		}
	}
}

// hashLeaf sets the digest of current to that of leaf.
func (f *fold) hashLeaf(leaf Leaf) {
	copy(f.leafHead[1:], leaf.Path[:])
	binary.BigEndian.PutUint64(f.leafTail[:], leaf.Weight)
	f.hash.Reset()
	f.hash.Write(f.leafHead[:])
	f.hash.Write(leaf.Value)
	f.hash.Write(f.leafTail[:])
	f.hash.Sum(f.current.digest[:0])
	copy(f.current.digest[hashEnd:], f.leafTail[:])
}

// hashInner sets the digest of current to that of the inner node with the given
// children, one of which may be current itself.
func (f *fold) hashInner(left, right *Root) {
	copy(f.inner[1:], left[:])
	copy(f.inner[1+RootSize:], right[:])
	tail := f.inner[1+2*RootSize:]
	binary.BigEndian.PutUint64(tail, left.Sum()+right.Sum())
	binary.BigEndian.PutUint64(tail[8:], left.Count()+right.Count())
	f.hash.Reset()
	f.hash.Write(f.inner[:])
	f.hash.Sum(f.current.digest[:0])
	copy(f.current.digest[hashEnd:], tail)
}

// appendCurrent appends the encoding of the topmost node of current, which is
// not a leaf, to bz.
func (f *fold) appendCurrent(bz []byte) []byte {
	c := &f.current
	if c.top == c.branch {
		return append(bz, f.inner[:]...) // current was hashed last
	}
	bz = append(bz, extensionKind, byte(c.top), byte(c.branch))
	bz = append(bz, f.newest[:]...)
	bz = append(bz, c.below[:]...)
	return append(bz, c.below[hashEnd:]...)
}

// appendLeaf appends the encoding of leaf to bz.
func appendLeaf(bz []byte, leaf Leaf) []byte {
	bz = append(bz, leafKind)
	bz = append(bz, leaf.Path[:]...)
	bz = append(bz, leaf.Value...)
	bz = binary.BigEndian.AppendUint64(bz, leaf.Weight)
	return binary.BigEndian.AppendUint64(bz, 1)
}
