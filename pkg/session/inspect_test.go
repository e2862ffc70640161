package session

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
	"github.com/seed52205347/relayminer/testutil/golden"
)

// goldenSession returns a session that was served on a real chain, with three
// relays or more.
func goldenSession(t testing.TB) *golden.Session {
	t.Helper()
	chain.SetBech32Prefixes()
	sessions, err := golden.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		if len(s.Relays) >= 3 {
			return s
		}
	}
	t.Fatal("all recorded sessions are small")
	return nil
}

// treeOf puts a recorded session into the store.
func treeOf(t testing.TB, st *store.Store, s *golden.Session) relayer.SessionTree {
	t.Helper()
	tree, err := NewSessionTree(st, s.Header, s.SupplierOperatorAddress, s.Header.SessionStartBlockHeight)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Relays {
		key, value, err := s.Relays[i].Leaf()
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Update(key, value, s.ComputeUnitsPerRelay); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func flush(t testing.TB, tree relayer.SessionTree) {
	t.Helper()
	if _, err := tree.Flush(); err != nil {
		t.Fatal(err)
	}
}

// addSession writes a session with n relays and a record in the given state.
func addSession(t testing.TB, st *store.Store, id, supplier string, end int64, n int, state State) *Record {
	t.Helper()
	head := header()
	head.SessionId, head.SessionEndBlockHeight = id, end
	tree, err := NewSessionTree(st, head, supplier, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		value := fmt.Appendf(nil, "relay %d of %s", i, id)
		path := trie.PathOf(value) // any key will do
		if err := tree.Update(path[:], value, 100); err != nil {
			t.Fatal(err)
		}
	}
	if state == StateOpen {
		return tree.(*sessionTree).snapshot()
	}
	flush(t, tree)
	err = tree.(*sessionTree).update(func(r *Record) { r.State = state })
	if err != nil {
		t.Fatal(err)
	}
	return tree.(*sessionTree).snapshot()
}

func TestInspector_ListsByEndHeightSupplierAndID(t *testing.T) {
	st := openStore(t)
	addSession(t, st, "c", "pokt1b", 20, 2, StateSettled)
	addSession(t, st, "b", "pokt1a", 20, 3, StateOpen)
	addSession(t, st, "a", "pokt1aa", 20, 0, StateEmpty)
	addSession(t, st, "d", "pokt1b", 8, 1, StateClaimed)
	i := NewInspector(st)
	for _, c := range []struct {
		name   string
		filter Filter
		want   string
	}{
		{"all", Filter{}, "d b a c"},
		{"one state", Filter{States: []State{StateClaimed}}, "d"},
		{"two states", Filter{States: []State{StateSettled, StateOpen}}, "b c"},
		{"one supplier", Filter{Supplier: "pokt1b"}, "d c"},
		{"the beginning of a supplier", Filter{Supplier: "pokt1a"}, "b a"},
		{"both", Filter{Supplier: "pokt1b", States: []State{StateSettled}}, "c"},
		{"none", Filter{Supplier: "pokt1c"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := i.List(t.Context(), c.filter)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, s := range list {
				ids = append(ids, s.SessionID)
			}
			if got := strings.Join(ids, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestInspector_ListCountsWhatIsStoredOfAnOpenSession(t *testing.T) {
	st := openStore(t)
	addSession(t, st, "open", "pokt1a", 8, 3, StateOpen)
	sealed := addSession(t, st, "sealed", "pokt1b", 8, 2, StateSealed)
	list, err := NewInspector(st).List(t.Context(), Filter{})
	if err != nil || len(list) != 2 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
	size := uint64(len("relay 0 of open"))
	if got := list[0]; got.Relays != 3 || got.ComputeUnits != 300 || got.Bytes != 3*size {
		t.Errorf("the open session is listed with %d relays, %d compute units, %d bytes", got.Relays, got.ComputeUnits, got.Bytes)
	}
	if got := list[1]; got.Relays != 2 || got.ComputeUnits != 200 || got.Bytes != sealed.Bytes || got.Bytes == 0 {
		t.Errorf("the sealed session is listed with %d relays, %d compute units, %d bytes", got.Relays, got.ComputeUnits, got.Bytes)
	}
}

// A record that cannot be read is shown as such, and hides no other session.
func TestInspector_ListShowsWhatCannotBeRead(t *testing.T) {
	st := openStore(t)
	whole := addSession(t, st, "whole", "pokt1a", 8, 1, StateSealed)
	for _, c := range []struct{ id, record, problem string }{
		{"bad-json", "{", "decode record"},
		{"newer", `{"version":99}`, "version 99"},
		{"misplaced", `{"version":1,"supplier":"pokt1a","session_id":"another","end_height":8,"state":"open","timeline":[{"state":"open"}]}`, "another"},
		{"bad-root", `{"version":1,"supplier":"pokt1a","session_id":"bad-root","end_height":8,"state":"sealed","root":"aa","timeline":[{"state":"sealed"}]}`, "root"},
		{"bad-state", `{"version":1,"supplier":"pokt1a","session_id":"bad-state","end_height":8,"state":"lost","timeline":[{"state":"lost"}]}`, `"lost"`},
	} {
		key := store.SessionKey{Supplier: "pokt1a", SessionEnd: 8, SessionID: c.id}
		if err := st.PutRecord(key, []byte(c.record)); err != nil {
			t.Fatal(err)
		}
		i := NewInspector(st)
		list, err := i.List(t.Context(), Filter{States: []State{StateSealed}})
		if err != nil || len(list) != 2 {
			t.Fatalf("%s: %d sessions are listed, %v", c.id, len(list), err)
		}
		if got := list[0]; got.SessionID != c.id || got.State != "" || !strings.Contains(got.Problem, c.problem) {
			t.Errorf("%s is listed as %+v", c.id, got)
		}
		if got := list[1]; got.SessionID != whole.SessionID || got.Problem != "" {
			t.Errorf("the other session is listed as %+v", got)
		}
		if _, err := i.Show(t.Context(), Name{ID: c.id}); !errors.Is(err, ErrDamaged) {
			t.Errorf("show %s: %v", c.id, err)
		}
		if err := st.DeleteSession(key); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInspector_FindsASessionByAnUnambiguousName(t *testing.T) {
	st := openStore(t)
	addSession(t, st, "abcd", "pokt1a", 8, 1, StateSettled)
	addSession(t, st, "abcd", "pokt1b", 8, 2, StateSettled)
	addSession(t, st, "abce", "pokt1b", 8, 3, StateSettled)
	addSession(t, st, "ff", "pokt1b", 8, 4, StateSettled)
	i := NewInspector(st)
	for _, c := range []struct {
		name   Name
		relays uint64
		err    error
	}{
		{Name{ID: "ff"}, 4, nil},
		{Name{ID: "f"}, 4, nil},
		{Name{ID: "abce"}, 3, nil},
		{Name{ID: "abcd", Supplier: "pokt1b"}, 2, nil},
		{Name{ID: "abc", Supplier: "pokt1a"}, 1, nil},
		{Name{ID: "abcd"}, 0, ErrAmbiguous},
		{Name{ID: "ab", Supplier: "pokt1b"}, 0, ErrAmbiguous},
		{Name{ID: "ff", Supplier: "pokt1a"}, 0, ErrNoSession},
		{Name{ID: "fff"}, 0, ErrNoSession},
		{Name{}, 0, ErrInvalid},
		{Name{Supplier: "pokt1a"}, 0, ErrInvalid},
	} {
		details, err := i.Show(t.Context(), c.name)
		if !errors.Is(err, c.err) {
			t.Errorf("%q: error %v, want %v", c.name, err, c.err)
		} else if err == nil && details.Stored.Leaves != c.relays {
			t.Errorf("%q: the session with %d relays, want the one with %d", c.name, details.Stored.Leaves, c.relays)
		}
	}
}

func TestInspector_ProvesAnyPathAndLeavesTheSessionsOwnProofAlone(t *testing.T) {
	st := openStore(t)
	s := goldenSession(t)
	tree := treeOf(t, st, s)
	i := NewInspector(st)
	name := Name{ID: s.Header.SessionId}
	own := s.ProofPath()
	if _, err := i.Prove(t.Context(), name, own); !errors.Is(err, relayer.ErrNotSealed) {
		t.Errorf("proof of an open session: %v", err)
	}
	flush(t, tree)
	for _, path := range [][]byte{own, make([]byte, 32), slices.Repeat([]byte{0xff}, 32)} {
		proof, err := i.Prove(t.Context(), name, path)
		if err != nil {
			t.Fatalf("path %x: %v", path, err)
		}
		if err := proof.Check(); err != nil {
			t.Errorf("path %x: %v", path, err)
		}
		if proof.Root != hex.EncodeToString(s.ClaimRoot) || proof.ComputeUnits != s.ComputeUnitsPerRelay || proof.RelayBytes == 0 {
			t.Errorf("path %x: %+v", path, proof)
		}
		proof.Root = strings.Repeat("00", trie.RootSize)
		if err := proof.Check(); err == nil {
			t.Error("the proof verifies for another root")
		}
	}
	record, err := i.Show(t.Context(), name)
	if err != nil || record.Record.ProofPath != "" {
		t.Errorf("a proof path was written down: %q, %v", record.Record.ProofPath, err)
	}
	if _, err := tree.ProveClosest(own); err != nil {
		t.Errorf("the session's own proof: %v", err)
	}
	if _, err := i.Prove(t.Context(), name, own[1:]); !errors.Is(err, ErrInvalid) {
		t.Errorf("path of 31 bytes: %v", err)
	}
}

func TestInspector_DropRefusesWhatCanStillBePaidOrSlashed(t *testing.T) {
	for _, state := range States() {
		t.Run(string(state), func(t *testing.T) {
			st := openStore(t)
			record := addSession(t, st, "session", "pokt1a", 8, 2, state)
			other := addSession(t, st, "other", "pokt1a", 8, 1, StateSealed)
			i := NewInspector(st)
			name := Name{ID: "session"}
			if !state.Final() {
				if _, err := i.Drop(t.Context(), name, false); !errors.Is(err, ErrRefused) {
					t.Fatalf("dropped without force: %v", err)
				}
				if n, err := st.Count(record.Key()); n != 2 || err != nil {
					t.Fatalf("%d leaves are left of a session that was not dropped, %v", n, err)
				}
			}
			dropped, err := i.Drop(t.Context(), name, !state.Final())
			if err != nil {
				t.Fatal(err)
			}
			if dropped.SessionID != "session" || dropped.State != state || dropped.Relays != 2 {
				t.Errorf("dropped %+v", dropped)
			}
			if _, err := i.Show(t.Context(), name); !errors.Is(err, ErrNoSession) {
				t.Errorf("the session is still there: %v", err)
			}
			if n, err := st.Count(record.Key()); n != 0 || err != nil {
				t.Errorf("%d leaves are left, %v", n, err)
			}
			if n, err := st.Count(other.Key()); n != 1 || err != nil {
				t.Errorf("%d leaves of another session are left, %v", n, err)
			}
		})
	}
}

func TestInspector_DropsLeavesWithoutARecordButNoUnreadableRecord(t *testing.T) {
	st := openStore(t)
	orphan := store.SessionKey{Supplier: "pokt1a", SessionEnd: 8, SessionID: "orphan"}
	done := make(chan error, 1)
	if err := st.Append(orphan, store.Leaf{Relay: []byte("x")}, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	unreadable := store.SessionKey{Supplier: "pokt1a", SessionEnd: 8, SessionID: "unreadable"}
	if err := st.PutRecord(unreadable, []byte("{")); err != nil {
		t.Fatal(err)
	}
	i := NewInspector(st)
	if _, err := i.Drop(t.Context(), Name{ID: "orphan"}, false); err != nil {
		t.Errorf("leaves without a record: %v", err)
	}
	if n, err := st.Count(orphan); n != 0 || err != nil {
		t.Errorf("%d leaves are left, %v", n, err)
	}
	if _, err := i.Drop(t.Context(), Name{ID: "unreadable"}, false); !errors.Is(err, ErrRefused) {
		t.Errorf("a record that cannot be read: %v", err)
	}
	if _, err := i.Drop(t.Context(), Name{ID: "unreadable"}, true); err != nil {
		t.Errorf("a record that cannot be read, forced: %v", err)
	}
}

func (b *bench) inspector() *Inspector {
	b.t.Helper()
	i, err := NewLiveInspector(b.store, b.manager)
	if err != nil {
		b.t.Fatal(err)
	}
	return i
}

func TestLiveInspector_EstimatesWhatAnOpenSessionIsWorth(t *testing.T) {
	c := newFakeChain(t)
	b := newBench(t, c)
	b.sendAll(0, 10)
	estimated := func() int64 {
		list, err := b.inspector().List(t.Context(), Filter{})
		if err != nil || len(list) != 1 || list[0].EstimatedUpokt == nil {
			t.Fatalf("%+v, %v", list, err)
		}
		details, err := b.inspector().Show(t.Context(), Name{ID: header().SessionId})
		if err != nil || *details.EstimatedUpokt != *list[0].EstimatedUpokt {
			t.Fatalf("%+v, %v", details, err)
		}
		return *list[0].EstimatedUpokt
	}
	open := estimated()
	c.advance(c.windows(4).ClaimOpen)
	if claimed := b.until(StateClaiming).EstimatedUpokt; open != claimed || open == 0 {
		t.Errorf("estimated at %d upokt while open, at %d for the claim", open, claimed)
	}
}

func TestLiveInspector_DropsAnOpenSessionOnlyIfForced(t *testing.T) {
	b := newBench(t, newFakeChain(t))
	b.sendAll(0, 5)
	name := Name{ID: header().SessionId}
	if _, err := b.inspector().Drop(t.Context(), name, false); !errors.Is(err, ErrRefused) {
		t.Fatalf("dropped without force: %v", err)
	}
	b.sendAll(5, 5)
	dropped, err := b.inspector().Drop(t.Context(), name, true)
	if err != nil || dropped.Relays != 10 {
		t.Fatalf("dropped %+v, %v", dropped, err)
	}
	if _, err := b.inspector().Show(t.Context(), name); !errors.Is(err, ErrNoSession) {
		t.Errorf("the session is still there: %v", err)
	}
	b.sendAll(10, 3) // relays that come later are kept
	details, err := b.inspector().Show(t.Context(), name)
	if err != nil || details.Stored.Leaves != 3 {
		t.Errorf("after three more relays: %+v, %v", details, err)
	}
}

// What is under way for a session when it is dropped does not bring it back.
func TestLiveInspector_DropEndsTheWorkOnASession(t *testing.T) {
	for _, at := range []State{StateClaiming, StateClaimed, StateProving} {
		t.Run(string(at), func(t *testing.T) {
			c := newFakeChain(t)
			b := newBench(t, c)
			b.sendAll(0, 3)
			w := c.windows(4)
			for b.state() != at {
				b.run(c.Latest().Height + 1)
			}
			name := Name{ID: header().SessionId}
			if _, err := b.inspector().Drop(t.Context(), name, false); !errors.Is(err, ErrRefused) {
				t.Fatalf("dropped without force: %v", err)
			}
			if _, err := b.inspector().Drop(t.Context(), name, true); err != nil {
				t.Fatal(err)
			}
			for height := c.Latest().Height + 1; height <= w.ProofClose+1; height++ {
				c.advance(height) // what was sent is included, and its outcome arrives
				eventually(t, "the block is worked on", func() bool { return b.manager.worked.Load() == height })
			}
			b.stop()
			b.start()
			if records, err := Records(b.store); len(records) != 0 || err != nil {
				t.Errorf("%d records have come back, %v", len(records), err)
			}
		})
	}
}

func TestLiveInspector_DropsSessionsWithAnOutcome(t *testing.T) {
	c := newFakeChain(t)
	b := newBench(t, c)
	b.sendAll(0, 2)
	b.run(c.windows(4).ProofClose)
	if state := b.state(); state != StateSettled {
		t.Fatalf("the session is %s", state)
	}
	if _, err := b.inspector().Drop(t.Context(), Name{ID: header().SessionId}, false); err != nil {
		t.Fatal(err)
	}
	for _, err := range b.send(100, 1) {
		if !errors.Is(err, relayer.ErrSessionSealed) {
			t.Errorf("a late relay of the dropped session: %v", err)
		}
	}
}

func TestLiveInspector_DoesNotImport(t *testing.T) {
	b := newBench(t, newFakeChain(t))
	if _, _, err := b.inspector().Import(t.Context(), strings.NewReader("")); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestNewLiveInspector_WantsAManagerOfThisPackage(t *testing.T) {
	if _, err := NewLiveInspector(nil, otherManager{}); err == nil {
		t.Error("a stranger's manager is accepted")
	}
}

// otherManager is a sessions manager that knows nothing of inspection.
type otherManager struct{ relayer.RelayerSessionsManager }

func TestInspector_StopsWhenItsContextEnds(t *testing.T) {
	st := openStore(t)
	addSession(t, st, "session", "pokt1a", 8, 2, StateSealed)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	i := NewInspector(st)
	name := Name{ID: "session"}
	for what, do := range map[string]func() error{
		"list":   func() error { _, err := i.List(ctx, Filter{}); return err },
		"show":   func() error { _, err := i.Show(ctx, name); return err },
		"prove":  func() error { _, err := i.Prove(ctx, name, make([]byte, 32)); return err },
		"export": func() error { return i.Export(ctx, name, &strings.Builder{}) },
		"verify": func() error {
			return i.Verify(ctx, Verification{All: true}, func(Event) error { return nil })
		},
		"drop": func() error { _, err := i.Drop(ctx, name, true); return err },
	} {
		if err := do(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
