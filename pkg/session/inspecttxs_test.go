package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// withAttempts writes a session whose claim and proof travelled in transactions.
func withAttempts(t *testing.T, st *store.Store, id, supplier string, claims, proofs []relayer.TxAttempt) {
	t.Helper()
	record := addSession(t, st, id, supplier, 20, 1, StateProving)
	record.ClaimAttempts, record.ProofAttempts = claims, proofs
	bz, err := encodeRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.PutRecord(record.Key(), bz); err != nil {
		t.Fatal(err)
	}
}

// attempt returns a transaction that was sent at a height.
func attempt(hash string, sent, included int64) relayer.TxAttempt {
	return relayer.TxAttempt{Hash: hash, Messages: 2, SentHeight: sent, TimeoutHeight: sent + 4, Included: included}
}

func TestInspector_TransactionsAreOneEntryEachNewestLast(t *testing.T) {
	st := openStore(t)
	shared := attempt("S", 10, 11)
	unseen := shared
	unseen.Included = 0
	withAttempts(t, st, "a", "pokt1a", []relayer.TxAttempt{unseen}, []relayer.TxAttempt{attempt("P", 18, 0)})
	withAttempts(t, st, "b", "pokt1a", []relayer.TxAttempt{shared}, nil)
	withAttempts(t, st, "c", "pokt1b", []relayer.TxAttempt{attempt("L", 9, 0), attempt("M", 14, 15)}, nil)
	i := NewInspector(st)
	for _, c := range []struct {
		name   string
		filter TxFilter
		want   string
	}{
		{"all", TxFilter{}, "claim L [c] over, claim S [a b] included, claim M [c] included, proof P [a] open"},
		{"one supplier", TxFilter{Supplier: "pokt1a"}, "claim S [a b] included, proof P [a] open"},
		{"one session", TxFilter{Session: "b"}, "claim S [b] included"},
		{"both", TxFilter{Supplier: "pokt1b", Session: "b"}, ""},
		{"open", TxFilter{Open: true}, "proof P [a] open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := i.Transactions(t.Context(), c.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, tx := range list.Transactions {
				got = append(got, fmt.Sprint(tx.Kind, " ", tx.Hash, " ", tx.Sessions, " ", tx.State))
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %q, want %q", strings.Join(got, ", "), c.want)
			}
			if list.Height != 18 || len(list.Problems) > 0 {
				t.Errorf("as of %d, problems %q", list.Height, list.Problems)
			}
		})
	}
}

func TestInspector_TransactionsNameTheRecordThatCannotBeRead(t *testing.T) {
	st := openStore(t)
	withAttempts(t, st, "a", "pokt1a", []relayer.TxAttempt{attempt("S", 10, 11)}, nil)
	if err := st.PutRecord(store.SessionKey{Supplier: "pokt1b", SessionEnd: 30, SessionID: "bad"}, []byte("{")); err != nil {
		t.Fatal(err)
	}
	list, err := NewInspector(st).Transactions(t.Context(), TxFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Transactions) != 1 || len(list.Problems) != 1 || !strings.Contains(list.Problems[0], "bad of supplier pokt1b") {
		t.Errorf("%+v", list)
	}
}

func TestTxState_FollowsFromTheRecordTheHeightAndTheTime(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		attempt relayer.TxAttempt
		want    TxState
	}{
		"in time":             {relayer.TxAttempt{TimeoutHeight: 21, TimeoutUnixNs: now.UnixNano() + 1}, TxOpen},
		"height is reached":   {relayer.TxAttempt{TimeoutHeight: 20, TimeoutUnixNs: now.UnixNano() + 1}, TxOver},
		"time is reached":     {relayer.TxAttempt{TimeoutHeight: 21, TimeoutUnixNs: now.UnixNano()}, TxOver},
		"in a block":          {relayer.TxAttempt{TimeoutHeight: 9, Included: 8}, TxIncluded},
		"in a block in vain":  {relayer.TxAttempt{TimeoutHeight: 99, Included: 8, Code: 11}, TxFailed},
		"refused by the node": {relayer.TxAttempt{TimeoutHeight: 99, Code: 13}, TxRefused},
	} {
		if got := txStateOf(&c.attempt, 20, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
