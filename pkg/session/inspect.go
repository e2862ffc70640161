package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// What an Inspector can refuse. Its errors wrap one of these, or one of
// ErrFile, relayer.ErrNotSealed, store.ErrUnavailable and store.ErrClosed, or
// the error of the context.
var (
	// ErrNoSession says that the store has no such session.
	ErrNoSession = errors.New("no such session")
	// ErrAmbiguous says that a name stands for several sessions. The error lists
	// them.
	ErrAmbiguous = errors.New("name stands for several sessions")
	// ErrRefused says that it would do harm, and how it can be done all the same.
	ErrRefused = errors.New("refused")
	// ErrExists says that an import would change a session that is there.
	ErrExists = errors.New("session is there already, and differs")
	// ErrInvalid says that an argument makes no sense.
	ErrInvalid = errors.New("invalid argument")
	// ErrDamaged says that what is stored of a session is not what was written,
	// or not what its record says.
	ErrDamaged = errors.New("session is damaged")
	// ErrPurged says that the relays of a session are not kept any more.
	ErrPurged = errors.New("the relays are not kept any more")
)

// Name says which session is meant.
type Name struct {
	// ID is the session's id or the beginning of it.
	ID string
	// Supplier is the operator address or the beginning of it. It may be empty
	// if the store has the session of one supplier only.
	Supplier string
}

// String returns the name as it was given.
func (n Name) String() string {
	if n.Supplier == "" {
		return n.ID
	}
	return n.ID + " of supplier " + n.Supplier
}

// Inspector shows, verifies, moves and drops the sessions in a store, whether or
// not a sessions manager works on them. It never waits for anybody in the midst of
// a walk, so that the store of a running relay miner is not kept from recovering.
// Its methods may be called concurrently.
type Inspector struct {
	store    *store.Store
	live     live      // nil at rest
	checkers int       // goroutines that verify signatures at once
	refusals *Refusals // nil if nothing is known of them
}

// InspectorOption tells an inspector what a running relay miner knows beside its
// store.
type InspectorOption func(*Inspector)

// WithRefusals says how many relays were refused.
func WithRefusals(refusals *Refusals) InspectorOption {
	return func(i *Inspector) { i.refusals = refusals }
}

// live is what is asked of a sessions manager that works on the store.
type live interface {
	// estimate returns the reward in upokt of a claim with these sums.
	estimate(ctx context.Context, record *Record, relays, computeUnits uint64) (int64, error)
	// drop deletes a session unless allowed returns an error for its record.
	drop(key store.SessionKey, allowed func(*Record) error) error
	// height returns that of the newest block, 0 before the first.
	height() int64
	// windowsAt returns the windows of sessions that end at a height.
	windowsAt(ctx context.Context, sessionEnd int64) (windows, error)
}

// NewInspector returns an inspector of a store that nobody works on. A store
// that was opened read-only is enough for everything but Import and Drop.
func NewInspector(st *store.Store) *Inspector {
	return &Inspector{store: st, checkers: maxCheckers()}
}

// NewLiveInspector returns an inspector of the store that the sessions manager
// works on. It fails if the manager is not one of NewRelayerSessionsManager.
func NewLiveInspector(
	st *store.Store,
	manager relayer.RelayerSessionsManager,
	opts ...InspectorOption,
) (*Inspector, error) {
	m, ok := manager.(live)
	if !ok {
		return nil, fmt.Errorf("sessions of a %T cannot be inspected", manager)
	}
	// One checker: the others' place is with the relays.
	i := &Inspector{store: st, live: m, checkers: 1}
	for _, opt := range opts {
		opt(i)
	}
	return i, nil
}

// stored is a session as it lies in the store.
type stored struct {
	key    store.SessionKey
	record *Record // nil if there is none that can be read
	raw    []byte  // of the record, nil if there is none
	// fault says what is wrong with the record.
	fault error
}

// decodeStored decodes a record and compares it with the key under which it lies.
func decodeStored(key store.SessionKey, raw []byte) stored {
	s := stored{key: key, raw: raw}
	record, err := DecodeRecord(raw)
	if err == nil && record.Key() != key {
		err = fmt.Errorf("the record is that of session %s", title(record.Key()))
	}
	if err == nil {
		_, err = record.RootBytes()
	}
	if err == nil && !slices.Contains(States(), record.State) {
		err = fmt.Errorf("state %q is unknown", record.State)
	}
	if err != nil {
		s.fault = fmt.Errorf("%w: %s: %w", ErrDamaged, title(key), err)
		return s
	}
	s.record = record
	return s
}

// find returns the session with a key, which has a record or leaves.
func (i *Inspector) find(key store.SessionKey) (stored, error) {
	raw, err := i.store.Record(key)
	switch {
	case err == nil:
		return decodeStored(key, raw), nil
	case !errors.Is(err, store.ErrNotFound):
		return stored{}, storeError(err)
	}
	for _, err := range i.store.Leaves(key) {
		if err != nil {
			return stored{}, storeError(err)
		}
		return stored{key: key, fault: fmt.Errorf("%w: %s has leaves and no record", ErrDamaged, title(key))}, nil
	}
	return stored{}, fmt.Errorf("%w: %s", ErrNoSession, title(key))
}

// resolve returns the one session that a name stands for. Those without a record
// are considered if there is none with one.
func (i *Inspector) resolve(ctx context.Context, name Name) (stored, error) {
	if name.ID == "" {
		return stored{}, fmt.Errorf("%w: no session id is given", ErrInvalid)
	}
	var found []store.SessionKey
	recorded := make(map[store.SessionKey]bool)
	for key, err := range i.recorded(ctx) {
		if err != nil {
			return stored{}, err
		}
		recorded[key] = true
		if name.matches(key) {
			found = append(found, key)
		}
	}
	if len(found) == 0 {
		for key, err := range i.store.Sessions() {
			if err = errors.Join(storeError(err), ctx.Err()); err != nil {
				return stored{}, err
			}
			if name.matches(key) && !recorded[key] {
				found = append(found, key)
			}
		}
	}
	switch len(found) {
	case 0:
		return stored{}, fmt.Errorf("%w: %s", ErrNoSession, name)
	case 1:
		return i.find(found[0])
	default:
		return stored{}, ambiguous(name, found)
	}
}

// withRelays returns the one session that a name stands for, if its record can be
// read and its relays are kept.
func (i *Inspector) withRelays(ctx context.Context, name Name) (stored, error) {
	s, err := i.resolve(ctx, name)
	if err == nil {
		err = s.fault
	}
	if err == nil {
		err = s.purged()
	}
	return s, err
}

// purged returns why the relays of a session are not there, if so.
func (s *stored) purged() error {
	if s.record == nil || s.record.RelaysPurged == 0 {
		return nil
	}
	return fmt.Errorf("%w: those of session %s were deleted at height %d", ErrPurged, title(s.key), s.record.RelaysPurged)
}

// matches reports whether the name can stand for a session.
func (n Name) matches(key store.SessionKey) bool {
	return strings.HasPrefix(key.SessionID, n.ID) && strings.HasPrefix(key.Supplier, n.Supplier)
}

// title names a session for people.
func title(key store.SessionKey) string { return key.SessionID + " of supplier " + key.Supplier }

// maxCandidates bounds the sessions that the error for an ambiguous name lists.
const maxCandidates = 5

// ambiguous lists what a name stands for and says how to choose.
func ambiguous(name Name, keys []store.SessionKey) error {
	var candidates []string
	for _, key := range keys[:min(len(keys), maxCandidates)] {
		candidates = append(candidates, title(key))
	}
	if more := len(keys) - maxCandidates; more > 0 {
		candidates = append(candidates, fmt.Sprintf("%d more", more))
	}
	return fmt.Errorf("%w: %s could be %s (give more of the id, or the supplier)",
		ErrAmbiguous, name, strings.Join(candidates, ", "))
}

// recorded yields the sessions that have a record. An error is the last thing
// that is yielded.
func (i *Inspector) recorded(ctx context.Context) iter.Seq2[store.SessionKey, error] {
	return func(yield func(store.SessionKey, error) bool) {
		for record, err := range i.store.Records() {
			err = errors.Join(storeError(err), ctx.Err())
			if !yield(record.Key, err) || err != nil {
				return
			}
		}
	}
}

// each shows all records to visit, whose stored may be without one that can be
// read. damage is why there may be more of them, if so.
func (i *Inspector) each(ctx context.Context, visit func(stored)) (damage, err error) {
	for record, err := range i.store.Records() {
		if err = errors.Join(storeError(err), ctx.Err()); errors.Is(err, ErrDamaged) {
			return err, nil
		}
		if err != nil {
			return nil, err
		}
		visit(decodeStored(record.Key, record.Value))
	}
	return nil, nil
}

// storeError says of damage that it is damage; other errors it leaves as they are.
func storeError(err error) error {
	corrupt := (*store.CorruptionError)(nil)
	if errors.As(err, &corrupt) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// A page is what is read of a session at a time: this many leaves, or the bytes
// of relays after which no more are taken.
const (
	pageLeaves = 512
	pageBytes  = 4 << 20
)

// leaves walks over the leaves of a session page by page. Between two pages the
// store is free, however long a step takes; leaves that arrive meanwhile are
// yielded if their path lies ahead. The leaves are the caller's.
func (i *Inspector) leaves(ctx context.Context, key store.SessionKey) iter.Seq2[store.Leaf, error] {
	return func(yield func(store.Leaf, error) bool) {
		var first [store.PathLen]byte
		for more := true; more; {
			page, err := i.page(key, first)
			for _, leaf := range page {
				if ctx.Err() != nil {
					yield(store.Leaf{}, ctx.Err())
					return
				}
				if !yield(leaf, nil) {
					return
				}
			}
			if err != nil {
				yield(store.Leaf{}, storeError(err))
				return
			}
			if more = len(page) > 0; more {
				first, more = successor(page[len(page)-1].Path)
			}
		}
	}
}

// page reads the leaves whose path is not below first, as many as fit. The leaves
// before an error are returned with it.
func (i *Inspector) page(key store.SessionKey, first [store.PathLen]byte) ([]store.Leaf, error) {
	var page []store.Leaf
	size := 0
	for leaf, err := range i.store.LeavesFrom(key, first) {
		if err != nil {
			return page, err
		}
		leaf.Relay = slices.Clone(leaf.Relay)
		page = append(page, leaf)
		if size += len(leaf.Relay); len(page) == pageLeaves || size >= pageBytes {
			break
		}
	}
	return page, nil
}

// successor returns the path after path, and false if there is none.
func successor(path [store.PathLen]byte) ([store.PathLen]byte, bool) {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i]++; path[i] != 0 {
			return path, true
		}
	}
	return path, false
}
