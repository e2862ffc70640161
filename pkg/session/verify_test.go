package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/cosmos/cosmos-sdk/types/bech32"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// verify returns the reports of a verification.
func verify(t testing.TB, st *store.Store, what Verification) []*Report {
	t.Helper()
	var reports []*Report
	err := NewInspector(st).Verify(context.Background(), what, func(e Event) error {
		if e.Report != nil {
			reports = append(reports, e.Report)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

// putLeaf writes a leaf past the session tree.
func putLeaf(t testing.TB, st *store.Store, key store.SessionKey, leaf store.Leaf) {
	t.Helper()
	done := make(chan error, 1)
	if err := st.Append(key, leaf, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// leavesOf returns copies of the leaves of a session.
func leavesOf(t testing.TB, st *store.Store, key store.SessionKey) []store.Leaf {
	t.Helper()
	var leaves []store.Leaf
	for leaf, err := range st.Leaves(key) {
		if err != nil {
			t.Fatal(err)
		}
		leaf.Relay = bytes.Clone(leaf.Relay)
		leaves = append(leaves, leaf)
	}
	return leaves
}

// leafOf returns the leaf of a relay at its right place.
func leafOf(t testing.TB, relay *servicetypes.Relay, weight uint64) store.Leaf {
	t.Helper()
	bz, err := relay.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(bz)
	return store.Leaf{Path: trie.PathOf(hash[:]), Weight: weight, Relay: bz}
}

func TestVerify_FindsNothingWrongWithWhatAChainHasProven(t *testing.T) {
	st := openStore(t)
	s := goldenSession(t)
	tree := treeOf(t, st, s)
	for _, sealed := range []bool{false, true} {
		want := ""
		if sealed {
			flush(t, tree)
			want = hex.EncodeToString(s.ClaimRoot)
		}
		for _, deep := range []bool{false, true} {
			reports := verify(t, st, Verification{Name: Name{ID: s.Header.SessionId}, Deep: deep})
			if len(reports) != 1 || !reports[0].OK() {
				t.Fatalf("sealed %v, deep %v: %+v", sealed, deep, reports)
			}
			if r := reports[0]; r.Recorded != want || r.Computed != hex.EncodeToString(s.ClaimRoot) ||
				r.Leaves != uint64(len(s.Relays)) || r.Deep != deep {
				t.Errorf("sealed %v, deep %v: %+v", sealed, deep, r)
			}
		}
	}
}

// Each way in which a leaf can be wrong is found, and the leaf is named.
func TestVerify_NamesTheLeafThatIsWrong(t *testing.T) {
	otherKey := secp256k1.GenPrivKey()
	for _, c := range []struct {
		name    string
		problem string
		deep    bool // found by a deep verification only, in an open session
		harm    func(t *testing.T, leaf *store.Leaf, relay *servicetypes.Relay)
	}{
		{"relay byte", "belongs at path", false, func(_ *testing.T, leaf *store.Leaf, _ *servicetypes.Relay) {
			leaf.Relay[len(leaf.Relay)/2] ^= 1
		}},
		{"weight", "weighs", true, func(_ *testing.T, leaf *store.Leaf, _ *servicetypes.Relay) { leaf.Weight++ }},
		{"no relay", "is not a relay", true, func(_ *testing.T, leaf *store.Leaf, _ *servicetypes.Relay) {
			leaf.Relay = []byte{0xff, 0xff}
		}},
		{"encoding", "canonically", true, func(_ *testing.T, leaf *store.Leaf, _ *servicetypes.Relay) {
			leaf.Relay = append(leaf.Relay, 0x78, 0x01) // an unknown field
		}},
		{"no response", "no response", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) { relay.Res = nil }},
		{"request incomplete", "request: ", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Req.Meta.Signature = nil
		}},
		{"response incomplete", "response: ", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Res.Meta.SupplierOperatorSignature = nil
		}},
		{"request of another session", "the request is of session", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Req.Meta.SessionHeader.SessionId = strings.Repeat("ab", 32)
		}},
		{"response of another session", "the response is of session", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Res.Meta.SessionHeader.SessionId = strings.Repeat("ab", 32)
		}},
		{"another supplier", "to supplier pokt1other", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Req.Meta.SupplierOperatorAddress = "pokt1other"
		}},
		{"payload", "payload", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Res.Payload = []byte("answer")
		}},
		{"request changed", "ring signature does not verify", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Req.Payload = append(relay.Req.Payload, ' ')
		}},
		{"ring", "malformed ring signature", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Req.Meta.Signature = relay.Req.Meta.Signature[1:]
		}},
		{"response changed", "is not signed by supplier", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Res.PayloadHash[0] ^= 1
		}},
		{"signed by another key", "is not signed by supplier", true, func(t *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			digest, err := relay.Res.GetSignableBytesHash()
			if err != nil {
				t.Fatal(err)
			}
			if relay.Res.Meta.SupplierOperatorSignature, err = otherKey.Sign(digest[:]); err != nil {
				t.Fatal(err)
			}
		}},
		{"signature cut off", "is not signed by supplier", true, func(_ *testing.T, _ *store.Leaf, relay *servicetypes.Relay) {
			relay.Res.Meta.SupplierOperatorSignature = relay.Res.Meta.SupplierOperatorSignature[:63]
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := openStore(t)
			s := goldenSession(t)
			tree := treeOf(t, st, s)
			key := tree.(*sessionTree).key
			harmed := leavesOf(t, st, key)[1]
			relay := &servicetypes.Relay{}
			if err := relay.Unmarshal(harmed.Relay); err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(harmed.Relay)
			weight := harmed.Weight
			c.harm(t, &harmed, relay)
			if bytes.Equal(harmed.Relay, before) && harmed.Weight == weight {
				harmed = leafOf(t, relay, harmed.Weight)
			} else if c.deep && harmed.Weight == weight {
				hash := sha256.Sum256(harmed.Relay)
				harmed.Path = trie.PathOf(hash[:])
			}
			putLeaf(t, st, key, harmed)

			report := verify(t, st, Verification{All: true})[0]
			if report.OK() != c.deep {
				t.Errorf("without signatures: %+v", report.Faults)
			}
			report = verify(t, st, Verification{All: true, Deep: true})[0]
			found := false
			for _, fault := range report.Faults {
				if fault.Leaf != hex.EncodeToString(harmed.Path[:]) {
					t.Errorf("leaf %q is blamed: %s", fault.Leaf, fault.Problem)
				}
				found = found || strings.Contains(fault.Problem, c.problem)
			}
			if !found {
				t.Errorf("%q is not found: %+v", c.problem, report.Faults)
			}
		})
	}
}

// A supplier is known by its address: only a signature of its own key yields a key.
func TestRecoverKey_FindsTheSuppliersKeyAndNoOther(t *testing.T) {
	for n := range 20 { // both of the candidates that occur are met
		digest := sha256.Sum256([]byte{byte(n)})
		supplier, other := secp256k1.GenPrivKey(), secp256k1.GenPrivKey()
		address, err := bech32.ConvertAndEncode("pokt", supplier.PubKey().Address())
		if err != nil {
			t.Fatal(err)
		}
		signature, err := supplier.Sign(digest[:])
		if err != nil {
			t.Fatal(err)
		}
		key, err := recoverKey(digest, signature, address)
		if err != nil || !key.Equals(supplier.PubKey()) {
			t.Errorf("signed by the supplier: key %v, error %v", key, err)
		}
		if key, err := recoverKey(sha256.Sum256(digest[:]), signature, address); err == nil {
			t.Errorf("for another digest: key %v", key)
		}
		if signature, err = other.Sign(digest[:]); err != nil {
			t.Fatal(err)
		}
		if key, err := recoverKey(digest, signature, address); err == nil {
			t.Errorf("signed by another: key %v", key)
		}
	}
	if _, err := recoverKey(sha256.Sum256(nil), make([]byte, 64), "no address"); err == nil {
		t.Error("a supplier without an address has a key")
	}
}

// Whatever is done to the leaves or the record of a sealed session is found, and
// keeps no other session from being verified.
func TestVerify_ComparesWithTheRecordedRoot(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(t *testing.T, st *store.Store, r *Record)
	}{
		{"leaf changed", func(t *testing.T, st *store.Store, r *Record) {
			leaf := leavesOf(t, st, r.Key())[0]
			leaf.Relay[0]++
			putLeaf(t, st, r.Key(), leaf)
		}},
		{"leaf added", func(t *testing.T, st *store.Store, r *Record) {
			hash := sha256.Sum256([]byte("more"))
			putLeaf(t, st, r.Key(), store.Leaf{Path: trie.PathOf(hash[:]), Weight: 100, Relay: []byte("more")})
		}},
		{"weight changed", func(t *testing.T, st *store.Store, r *Record) {
			leaf := leavesOf(t, st, r.Key())[0]
			leaf.Weight++
			putLeaf(t, st, r.Key(), leaf)
		}},
		{"leaves gone", func(t *testing.T, st *store.Store, r *Record) {
			if err := st.DeleteSession(r.Key()); err != nil {
				t.Fatal(err)
			}
			putRecord(t, st, r)
		}},
		{"root changed", func(t *testing.T, st *store.Store, r *Record) {
			changed := r.clone()
			changed.Root = strings.Repeat("ab", trie.RootSize)
			putRecord(t, st, changed)
		}},
		{"root gone", func(t *testing.T, st *store.Store, r *Record) {
			changed := r.clone()
			changed.Root = ""
			putRecord(t, st, changed)
		}},
		{"relays changed", func(t *testing.T, st *store.Store, r *Record) {
			changed := r.clone()
			changed.Relays++
			putRecord(t, st, changed)
		}},
		{"record unreadable", func(t *testing.T, st *store.Store, r *Record) {
			if err := st.PutRecord(r.Key(), []byte("{")); err != nil {
				t.Fatal(err)
			}
		}},
		{"record gone", func(t *testing.T, st *store.Store, r *Record) {
			leaves := leavesOf(t, st, r.Key())
			if err := st.DeleteSession(r.Key()); err != nil {
				t.Fatal(err)
			}
			for _, leaf := range leaves {
				putLeaf(t, st, r.Key(), leaf)
			}
		}},
		{"weights too large", func(t *testing.T, st *store.Store, r *Record) {
			for _, leaf := range leavesOf(t, st, r.Key()) {
				leaf.Weight = 1 << 63
				putLeaf(t, st, r.Key(), leaf)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := openStore(t)
			addSealed(t, st, "before", 8, 3)
			harmed := addSealed(t, st, "harmed", 8, 3)
			addSealed(t, st, "later", 20, 3)
			c.harm(t, st, harmed)
			reports := verify(t, st, Verification{All: true})
			if len(reports) != 3 {
				t.Fatalf("%d reports", len(reports))
			}
			for _, report := range reports {
				if report.OK() == (report.SessionID == "harmed") {
					t.Errorf("session %s: %+v", report.SessionID, report.Faults)
				}
			}
		})
	}
}

// addSealed writes a sealed session whose relays lie where they belong.
func addSealed(t testing.TB, st *store.Store, id string, end int64, n int) *Record {
	t.Helper()
	head := header()
	head.SessionId, head.SessionEndBlockHeight = id, end
	tree, err := NewSessionTree(st, head, testSupplier, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		value := fmt.Appendf(nil, "relay %d of %s", i, id)
		hash := sha256.Sum256(value)
		if err := tree.Update(hash[:], value, 100); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, tree)
	return tree.(*sessionTree).snapshot()
}

func putRecord(t testing.TB, st *store.Store, r *Record) {
	t.Helper()
	bz, err := encodeRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.PutRecord(r.Key(), bz); err != nil {
		t.Fatal(err)
	}
}

// A table file that has decayed harms the sessions in the damaged block only.
func TestVerify_DecayOfAFileHarmsNoOtherSession(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir, store.Options{MemTableBytes: 64 << 10, MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	const sessions = 6
	rng := rand.NewChaCha8([32]byte{1})
	for n := range sessions {
		head := header()
		head.SessionId = fmt.Sprintf("session-%d", n)
		tree, err := NewSessionTree(st, head, testSupplier, 1)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			value := make([]byte, 2000)
			_, _ = rng.Read(value) // never fails; incompressible, so that every byte matters
			hash := sha256.Sum256(value)
			if err := tree.Update(hash[:], value, 100); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, tree)
	}
	if err := st.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	flipByte(t, largestTable(t, dir))

	st, err = store.Open(dir, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	reports := verify(t, st, Verification{All: true})
	whole, harmed := 0, 0
	for _, report := range reports {
		switch {
		case report.SessionID == "": // the walk over sessions has met the damage too
		case report.OK():
			whole++
		default:
			harmed++
		}
	}
	if harmed == 0 || harmed > 2 || whole+harmed != sessions {
		t.Errorf("%d sessions are whole, %d are harmed", whole, harmed)
	}
}

func largestTable(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no table files: %v", err)
	}
	largest, size := "", int64(-1)
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > size {
			largest, size = name, info.Size()
		}
	}
	return largest
}

func flipByte(t *testing.T, name string) {
	t.Helper()
	bz, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	bz[len(bz)/3] ^= 0x10
	if err := os.WriteFile(name, bz, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVerify_ListsABoundedNumberOfFaults(t *testing.T) {
	st := openStore(t)
	key := addSession(t, st, "session", testSupplier, 8, maxFaults+20, StateOpen).Key()
	for _, leaf := range leavesOf(t, st, key) {
		leaf.Relay = append(leaf.Relay, '!')
		putLeaf(t, st, key, leaf)
	}
	report := verify(t, st, Verification{All: true})[0]
	if len(report.Faults) != maxFaults || report.MoreFaults != 20 {
		t.Errorf("%d faults and %d more", len(report.Faults), report.MoreFaults)
	}
}

func TestVerify_ReportsProgress(t *testing.T) {
	st := openStore(t)
	addSealed(t, st, "one", 8, 100)
	addSealed(t, st, "two", 8, 100)
	var last Progress
	err := NewInspector(st).Verify(t.Context(), Verification{All: true}, func(e Event) error {
		if e.Progress != nil {
			last = *e.Progress
		}
		return nil
	})
	if err != nil || last.Sessions != 2 || last.Expected != 200 || last.Leaves == 0 || last.Session == "" {
		t.Errorf("last progress %+v, %v", last, err)
	}
}

func TestVerify_EndsWhenNobodyObserves(t *testing.T) {
	st := openStore(t)
	addSealed(t, st, "one", 8, 100)
	enough := errors.New("enough")
	err := NewInspector(st).Verify(t.Context(), Verification{All: true, Deep: true}, func(Event) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	st := openStore(b)
	s := goldenSession(b)
	flush(b, treeOf(b, st, s))
	for _, deep := range []bool{false, true} {
		b.Run(fmt.Sprintf("deep=%v", deep), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := verify(b, st, Verification{All: true, Deep: deep}); !r[0].OK() {
					b.Fatal(r[0].Faults)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(s.Relays)), "µs/relay")
		})
	}
}
