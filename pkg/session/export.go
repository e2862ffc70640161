package session

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// Export writes a session as one file that Import reads. Memory does not grow
// with the session. What was written is of no use unless Export returns nil:
// otherwise Import refuses it.
//
// It fails with ErrNoSession, ErrAmbiguous, ErrInvalid or ErrPurged, with ErrDamaged if the
// leaves do not have the recorded root, and with the error of w.
func (i *Inspector) Export(ctx context.Context, name Name, w io.Writer) error {
	s, err := i.withRelays(ctx, name)
	if err != nil {
		return err
	}
	file, err := newFileWriter(w, s.raw)
	if err != nil {
		return fmt.Errorf("export session %s: %w", title(s.key), err)
	}
	root, err := trie.ComputeRoot(trieLeaves(tee(i.leaves(ctx, s.key), file.leaf)))
	if err != nil {
		return fmt.Errorf("export session %s: %w", title(s.key), err)
	}
	if err := checkSums(s.record, root); err != nil {
		return i.mismatch(s.key, err)
	}
	if err := file.finish(); err != nil {
		return fmt.Errorf("export session %s: %w", title(s.key), err)
	}
	return nil
}

// tee passes leaves on after do has seen them. An error of do ends the walk.
func tee(leaves iter.Seq2[store.Leaf, error], do func(store.Leaf) error) iter.Seq2[store.Leaf, error] {
	return func(yield func(store.Leaf, error) bool) {
		for leaf, err := range leaves {
			if err == nil {
				err = do(leaf)
			}
			if !yield(leaf, err) || err != nil {
				return
			}
		}
	}
}

// checkSums returns how the root of a session's leaves differs from what its
// record says. Nothing is recorded while the session is open.
func checkSums(record *Record, root trie.Root) error {
	if record.State == StateOpen && record.Root == "" {
		return nil
	}
	if record.Root != root.String() {
		return fmt.Errorf("root %s of %d relays is recorded, the leaves have root %s of %d",
			record.Root, record.Relays, root, root.Count())
	}
	if record.Relays != root.Count() || record.ComputeUnits != root.Sum() {
		return fmt.Errorf("%d relays with %d compute units are recorded, the root is of %d with %d",
			record.Relays, record.ComputeUnits, root.Count(), root.Sum())
	}
	return nil
}
