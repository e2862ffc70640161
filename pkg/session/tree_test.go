package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

func openStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return st
}

func newTree(t *testing.T, st *store.Store) relayer.SessionTree {
	t.Helper()
	tree, err := NewSessionTree(st, header(), testSupplier, 1)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func fill(t *testing.T, tree relayer.SessionTree, n int) (library *smt.SMST) {
	t.Helper()
	library = smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	for i := range n {
		value := []byte(fmt.Sprintf("relay-%d", i))
		key := sha256.Sum256(value)
		if err := tree.Update(key[:], value, 100); err != nil {
			t.Fatal(err)
		}
		if err := library.Update(key[:], bytes.Clone(value), 100); err != nil {
			t.Fatal(err)
		}
	}
	return library
}

func TestSessionTree_HasTheRootAndProofsOfTheLibrary(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100} {
		tree := newTree(t, openStore(t))
		library := fill(t, tree, n)
		if root := tree.GetClaimRoot(); root != nil {
			t.Errorf("%d leaves: an open tree has root %x", n, root)
		}
		root, err := tree.Flush()
		if err != nil {
			t.Fatal(err)
		}
		if want := library.Root(); !bytes.Equal(root, want) {
			t.Errorf("%d leaves: root %x, the library's is %x", n, root, want)
		}
		path := sha256.Sum256([]byte("path"))
		proof, err := tree.ProveClosest(path[:])
		if err != nil {
			t.Fatal(err)
		}
		spec := tree.GetTrieSpec()
		if ok, err := smt.VerifyCompactClosestProof(proof, root, &spec); err != nil || !ok {
			t.Errorf("%d leaves: the library does not verify the proof: %v, %v", n, ok, err)
		}
		if len(tree.GetProofBz()) == 0 {
			t.Errorf("%d leaves: no encoded proof", n)
		}
	}
}

func TestSessionTree_IsFixedOnceFlushed(t *testing.T) {
	tree := newTree(t, openStore(t))
	fill(t, tree, 5)
	root, err := tree.Flush()
	if err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256([]byte("late"))
	if err := tree.Update(key[:], []byte("late"), 100); !errors.Is(err, relayer.ErrSessionSealed) {
		t.Errorf("update of a flushed tree: %v", err)
	}
	if again, err := tree.Flush(); err != nil || !bytes.Equal(again, root) {
		t.Errorf("flushed again to %x, %v; before to %x", again, err, root)
	}
}

func TestSessionTree_IsProvenForOnePathOnly(t *testing.T) {
	tree := newTree(t, openStore(t))
	fill(t, tree, 5)
	path := sha256.Sum256([]byte("path"))
	if _, err := tree.ProveClosest(path[:]); !errors.Is(err, relayer.ErrNotSealed) {
		t.Errorf("proof of an open tree: %v", err)
	}
	if _, err := tree.Flush(); err != nil {
		t.Fatal(err)
	}
	first, err := tree.ProveClosest(path[:])
	if err != nil {
		t.Fatal(err)
	}
	if again, err := tree.ProveClosest(path[:]); err != nil || again != first {
		t.Errorf("proven again: %v", err)
	}
	other := sha256.Sum256([]byte("other"))
	if _, err := tree.ProveClosest(other[:]); !errors.Is(err, relayer.ErrPathMismatch) {
		t.Errorf("proof for another path: %v", err)
	}
}

func TestSessionTree_IsClaimedByOneCallerOnly(t *testing.T) {
	tree := newTree(t, openStore(t))
	if err := tree.StartClaiming(); err != nil {
		t.Fatal(err)
	}
	if err := tree.StartClaiming(); !errors.Is(err, relayer.ErrClaimed) {
		t.Errorf("claimed a second time: %v", err)
	}
}

func TestSessionTree_DeleteLeavesNothing(t *testing.T) {
	st := openStore(t)
	tree := newTree(t, st)
	fill(t, tree, 5)
	if err := tree.Delete(); err != nil {
		t.Fatal(err)
	}
	records, err := Records(st)
	if err != nil || len(records) != 0 {
		t.Errorf("%d records are left, error %v", len(records), err)
	}
	key := newRecord(header(), testSupplier, 1, now()).Key()
	if n, err := st.Count(key); err != nil || n != 0 {
		t.Errorf("%d leaves are left, error %v", n, err)
	}
}

func TestSessionTree_EmptyTreeHasTheEmptyRoot(t *testing.T) {
	tree := newTree(t, openStore(t))
	root, err := tree.Flush()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(root, make([]byte, 48)) {
		t.Errorf("root %x", root)
	}
}
