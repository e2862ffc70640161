package session

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	"github.com/pokt-network/smt"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// clock tells a tree the height and time that it writes into its record.
type clock func() (height int64, now time.Time)

// sessionTree implements relayer.SessionTree. There is no trie in memory: the
// leaves lie in the store in the order of their paths, and root and proof are
// computed by walking over them.
type sessionTree struct {
	store *store.Store
	clock clock
	key   store.SessionKey

	mu       sync.Mutex
	record   *Record // replaced, never changed, and only after the new one is durable or may wait
	closed   bool    // takes no more relays
	deleted  bool    // no record may be written any more
	late     uint64  // relays that were refused because the tree was closed
	taken    Sums    // of the leaves that were inserted since the tree was made or loaded
	claiming bool    // StartClaiming was called

	proving sync.Mutex // held during the walk for a proof, which mu is not
	proof   *smt.SparseCompactMerkleClosestProof
	proofBz []byte
}

var _ relayer.SessionTree = (*sessionTree)(nil)

// NewSessionTree returns the tree of a session that is not in the store yet, and
// writes its record. clock tells the newest height of the chain.
func NewSessionTree(
	st *store.Store,
	header *sessiontypes.SessionHeader,
	supplier string,
	height int64,
) (relayer.SessionTree, error) {
	clock := func() (int64, time.Time) { return height, time.Now() }
	return createTree(st, clock, header, supplier)
}

// createTree writes the record of a new session and returns its tree.
func createTree(
	st *store.Store,
	clock clock,
	header *sessiontypes.SessionHeader,
	supplier string,
) (*sessionTree, error) {
	height, now := clock()
	record := newRecord(header, supplier, height, now)
	t := &sessionTree{store: st, clock: clock, key: record.Key()}
	if err := t.save(record); err != nil {
		return nil, err
	}
	return t, nil
}

// loadTree returns the tree of a session whose record is in the store.
func loadTree(st *store.Store, clock clock, record *Record) *sessionTree {
	return &sessionTree{
		store:    st,
		clock:    clock,
		key:      record.Key(),
		record:   record,
		closed:   record.State != StateOpen,
		late:     record.LateRelays,
		claiming: record.State != StateOpen && record.State != StateSealed,
	}
}

// save makes the record durable and then the tree's. One that may wait is the tree's
// while the store cannot write; the next one that is written holds it all.
func (t *sessionTree) save(record *Record) error {
	if t.deleted {
		return fmt.Errorf("%w: %s was dropped", ErrNoSession, t.key)
	}
	bz, err := encodeRecord(record)
	if err != nil {
		return err
	}
	if err := t.store.PutRecord(t.key, bz); err != nil && !t.mayWait(record, err) {
		return fmt.Errorf("record of session %s: %w", t.key, err)
	}
	t.record = record
	return nil
}

// mayWait reports whether what follows from a record may be done though it could not
// be written. Once the root is durable, the chain tells what a restart would have
// forgotten, and what is sent twice is the same; not to send it costs the session. An
// outcome waits until it is written: with it the session is forgotten.
func (t *sessionTree) mayWait(record *Record, err error) bool {
	sealed := t.record != nil && t.record.Root != ""
	return sealed && !record.State.Final() && errors.Is(err, store.ErrUnavailable)
}

// snapshot returns the tree's record, which must not be changed.
func (t *sessionTree) snapshot() *Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.record
}

// update replaces the record by what change makes of a copy of it.
func (t *sessionTree) update(change func(*Record)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.record.clone()
	change(next)
	return t.save(next)
}

// move brings the session into another state, with what change makes of its record.
func (t *sessionTree) move(to State, reason string, change func(*Record)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.moveLocked(to, reason, change)
}

func (t *sessionTree) moveLocked(to State, reason string, change func(*Record)) error {
	height, now := t.clock()
	next, err := t.record.moved(to, height, now, reason)
	if err != nil {
		return err
	}
	next.LateRelays = t.late
	if change != nil {
		change(next)
	}
	return t.save(next)
}

// insert hands a relay to the store. done is called once: when the relay is
// durable, or with the reason why it will not be in the tree.
func (t *sessionTree) insert(path [trie.PathSize]byte, value []byte, weight uint64, done func(error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		t.late++
		done(relayer.ErrSessionSealed.Wrapf("session %s is sealed", t.key.SessionID))
		return
	}
	// Under the lock: what is appended before the tree closes is in the root.
	leaf := store.Leaf{Path: path, Weight: weight, Relay: value}
	if err := t.store.Append(t.key, leaf, done); err != nil {
		done(relayer.ErrStoreRelay.Wrapf("%w", err))
		return
	}
	t.taken.Leaves++
	t.taken.ComputeUnits += weight
	t.taken.Bytes += uint64(len(value))
}

// sums returns those of the root or, as long as there is none, of what was inserted
// since the tree was made or loaded.
func (t *sessionTree) sums() Sums {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.record; r.Root != "" {
		return Sums{Leaves: r.Relays, ComputeUnits: r.ComputeUnits, Bytes: r.Bytes}
	}
	return t.taken
}

// GetSessionHeader implements relayer.SessionTree.
func (t *sessionTree) GetSessionHeader() *sessiontypes.SessionHeader { return t.snapshot().Header() }

// Update implements relayer.SessionTree. It returns when the leaf is durable.
func (t *sessionTree) Update(key, value []byte, weight uint64) error {
	durable := make(chan error, 1)
	t.insert(trie.PathOf(key), bytes.Clone(value), weight, func(err error) { durable <- err })
	return <-durable
}

// Flush implements relayer.SessionTree.
func (t *sessionTree) Flush() (SMSTRoot []byte, err error) {
	root, err := t.seal(context.Background(), func(walk func() error) error { return walk() })
	if err != nil {
		return nil, err
	}
	return root[:], nil
}

// seal closes the tree, waits until everything that was inserted is durable, and
// writes the root down. A tree that is sealed keeps its root.
//
// The walk over the leaves is made through compute, which may bound how many of
// them are made at once.
func (t *sessionTree) seal(ctx context.Context, compute func(func() error) error) (root trie.Root, err error) {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	if root := t.GetClaimRoot(); root != nil {
		return trie.ParseRoot(root)
	}
	if err := t.store.Sync(ctx); err != nil {
		return trie.Root{}, fmt.Errorf("seal session %s: %w", t.key, err)
	}
	size := uint64(0)
	err = compute(func() (err error) {
		root, err = trie.ComputeRoot(sizing(t.leaves(), &size))
		return err
	})
	if err != nil {
		return trie.Root{}, fmt.Errorf("seal session %s: %w", t.key, err)
	}
	next, reason := StateSealed, ""
	if root.Count() == 0 {
		next, reason = StateEmpty, "no relay met the difficulty"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.record.Root != "" { // somebody else sealed it meanwhile, to the same root
		return root, nil
	}
	return root, t.moveLocked(next, reason, func(r *Record) {
		r.Root = root.String()
		r.Relays = root.Count()
		r.ComputeUnits = root.Sum()
		r.Bytes = size
	})
}

// sizing passes leaves on and adds the bytes of their values up in size.
func sizing(leaves trie.Leaves, size *uint64) trie.Leaves {
	return func(yield func(trie.Leaf, error) bool) {
		for leaf, err := range leaves {
			*size += uint64(len(leaf.Value))
			if !yield(leaf, err) {
				return
			}
		}
	}
}

// leaves walks over the stored leaves.
func (t *sessionTree) leaves() trie.Leaves {
	return func(yield func(trie.Leaf, error) bool) {
		for leaf, err := range t.store.Leaves(t.key) {
			if !yield(trie.Leaf{Path: leaf.Path, Weight: leaf.Weight, Value: leaf.Relay}, err) {
				return
			}
		}
	}
}

// StartClaiming implements relayer.SessionTree.
func (t *sessionTree) StartClaiming() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.claiming {
		return relayer.ErrClaimed.Wrapf("session %s", t.key)
	}
	t.claiming = true
	return nil
}

// ProveClosest implements relayer.SessionTree.
func (t *sessionTree) ProveClosest(path []byte) (*smt.SparseCompactMerkleClosestProof, error) {
	return t.proveBy(path, t.prove)
}

// proveBy returns the tree's proof, which it has built if there is none yet. There
// is one path for a tree, ever.
func (t *sessionTree) proveBy(
	path []byte,
	build func(path []byte) (*smt.SparseCompactMerkleClosestProof, []byte, error),
) (*smt.SparseCompactMerkleClosestProof, error) {
	t.proving.Lock()
	defer t.proving.Unlock()
	if t.proof != nil && bytes.Equal(t.proof.Path, path) {
		return t.proof, nil
	}
	written := t.snapshot().ProofPath
	if t.proof != nil || (written != "" && written != hex.EncodeToString(path)) {
		return nil, relayer.ErrPathMismatch.Wrapf("session %s", t.key)
	}
	proof, bz, err := build(path)
	if err != nil {
		return nil, err
	}
	t.proof, t.proofBz = proof, bz
	return proof, nil
}

// prove computes the proof for any path and keeps nothing of it.
func (t *sessionTree) prove(path []byte) (*smt.SparseCompactMerkleClosestProof, []byte, error) {
	root := t.GetClaimRoot()
	if root == nil {
		return nil, nil, relayer.ErrNotSealed.Wrapf("session %s", t.key)
	}
	proof, bz, err := trie.Prove(t.leaves(), trie.Root(root), path)
	if err != nil {
		return nil, nil, fmt.Errorf("prove session %s: %w", t.key, err)
	}
	return proof, bz, nil
}

// GetClaimRoot implements relayer.SessionTree.
func (t *sessionTree) GetClaimRoot() []byte {
	// The record's root was written by this package or checked when it was loaded.
	root, err := t.snapshot().RootBytes()
	if err != nil {
		return nil
	}
	return root
}

// GetProofBz implements relayer.SessionTree.
func (t *sessionTree) GetProofBz() []byte {
	t.proving.Lock()
	defer t.proving.Unlock()
	return t.proofBz
}

// Delete implements relayer.SessionTree. It closes the tree first.
func (t *sessionTree) Delete() error {
	return t.deleteIf(func(*Record) error { return nil })
}

// deleteIf deletes the tree unless allowed returns an error for its record, and
// returns that error. Nothing else happens to the tree in between, and work that
// is under way cannot bring its record back.
func (t *sessionTree) deleteIf(allowed func(*Record) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := allowed(t.record); err != nil {
		return err
	}
	t.closed = true
	if err := t.store.DeleteSession(t.key); err != nil {
		return fmt.Errorf("delete session %s: %w", t.key, err)
	}
	t.deleted = true
	return nil
}

// GetSupplierOperatorAddress implements relayer.SessionTree. It returns nil if
// the address in the record is not one, which the chain does not let happen.
func (t *sessionTree) GetSupplierOperatorAddress() *cosmostypes.AccAddress {
	address, err := cosmostypes.AccAddressFromBech32(t.key.Supplier)
	if err != nil {
		return nil
	}
	return &address
}

// GetTrieSpec implements relayer.SessionTree.
func (t *sessionTree) GetTrieSpec() smt.TrieSpec { return trie.Spec() }
