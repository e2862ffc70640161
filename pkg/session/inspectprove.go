package session

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// Proof is a proof of one leaf of a sealed session.
type Proof struct {
	SessionID   string `json:"session_id"`
	Supplier    string `json:"supplier"` // operator address
	Root        string `json:"root"`     // hex, 48 bytes
	Path        string `json:"path"`     // hex, 32 bytes; the one that was asked for
	ClosestPath string `json:"closest_path"`
	// RelayBytes and ComputeUnits are size and weight of the relay in the leaf.
	RelayBytes   int    `json:"relay_bytes"`
	ComputeUnits uint64 `json:"compute_units"`
	// Depth is the number of nodes above the leaf.
	Depth int `json:"depth"`
	// Proof is the proof as MsgSubmitProof carries it.
	Proof []byte `json:"proof"`
}

// Check verifies the proof against its root, as the chain does.
func (p *Proof) Check() error {
	root, err := hex.DecodeString(p.Root)
	if err != nil || len(root) != trie.RootSize {
		return fmt.Errorf("%w: root %q", ErrInvalid, p.Root)
	}
	proof, err := trie.Decode(p.Proof)
	if err != nil {
		return fmt.Errorf("proof of session %s: %w", p.SessionID, err)
	}
	ok, err := trie.Verify(trie.Root(root), proof)
	if err != nil {
		return fmt.Errorf("proof of session %s: %w", p.SessionID, err)
	}
	if !ok || hex.EncodeToString(proof.Path) != p.Path || hex.EncodeToString(proof.ClosestPath) != p.ClosestPath {
		return fmt.Errorf("%w: the proof of session %s does not open its root", ErrDamaged, p.SessionID)
	}
	return nil
}

// Prove returns the proof of the leaf that is closest to a path of 32 bytes. Any
// path can be asked for any number of times: the proof that the chain is sent
// stays what it is. It fails with ErrNoSession, ErrAmbiguous, ErrInvalid,
// ErrDamaged, ErrPurged, and with relayer.ErrNotSealed while the session is open.
func (i *Inspector) Prove(ctx context.Context, name Name, path []byte) (*Proof, error) {
	if len(path) != trie.PathSize {
		return nil, fmt.Errorf("%w: a path has %d bytes, not %d", ErrInvalid, trie.PathSize, len(path))
	}
	s, err := i.withRelays(ctx, name)
	if err != nil {
		return nil, err
	}
	root, err := s.record.RootBytes()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if root == nil {
		return nil, relayer.ErrNotSealed.Wrapf("session %s is %s", title(s.key), s.record.State)
	}
	proof, bz, err := trie.Prove(trieLeaves(i.leaves(ctx, s.key)), trie.Root(root), path)
	switch {
	case errors.Is(err, trie.ErrEmpty):
		return nil, fmt.Errorf("%w: session %s has no relays, so that there is nothing to prove", ErrInvalid, title(s.key))
	case errors.Is(err, trie.ErrRootMismatch):
		return nil, i.mismatch(s.key, err)
	case err != nil:
		return nil, fmt.Errorf("prove session %s: %w", title(s.key), err)
	}
	value := proof.ClosestValueHash
	relayBytes := len(value) - weightAndCount
	return &Proof{
		SessionID:    s.key.SessionID,
		Supplier:     s.key.Supplier,
		Root:         trie.Root(root).String(),
		Path:         hex.EncodeToString(path),
		ClosestPath:  hex.EncodeToString(proof.ClosestPath),
		RelayBytes:   relayBytes,
		ComputeUnits: binary.BigEndian.Uint64(value[relayBytes:]),
		Depth:        proof.ClosestProof.NumSideNodes,
		Proof:        bz,
	}, nil
}

// mismatch says what it means that leaves have not the recorded root: that they
// are damaged, unless they have been deleted while they were read.
func (i *Inspector) mismatch(key store.SessionKey, err error) error {
	if gone := i.gone(key); gone != nil {
		return gone
	}
	return fmt.Errorf("%w: session %s: %w", ErrDamaged, title(key), err)
}

// gone returns why a session that had a record and leaves has them no more, if so.
func (i *Inspector) gone(key store.SessionKey) error {
	raw, err := i.store.Record(key)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %s was dropped meanwhile", ErrNoSession, title(key))
	}
	s := decodeStored(key, raw)
	return s.purged()
}
