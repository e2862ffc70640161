package session

import (
	"log/slog"
	"testing"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// spoil writes what is not the record of a session under a key.
func (b *bench) spoil(id, record string) {
	b.t.Helper()
	b.reopen()
	defer b.shut()
	key := store.SessionKey{Supplier: testSupplier, SessionEnd: 4, SessionID: id}
	if err := b.store.PutRecord(key, []byte(record)); err != nil {
		b.t.Fatal(err)
	}
}

func TestStart_GoesOnWithTheOtherSessionsWhenARecordIsDamaged(t *testing.T) {
	for name, record := range map[string]string{
		"torn":          `{"version":1,"supp`,
		"empty":         `{}`,
		"without story": `{"version":1,"supplier":"pokt1supplier","session_id":"without story","end_height":4,"state":"claimed"}`,
		"misplaced":     `{"version":1,"supplier":"pokt1supplier","session_id":"another","end_height":4,"state":"open","timeline":[{"state":"open"}]}`,
		"unknown state": `{"version":1,"supplier":"pokt1supplier","session_id":"unknown state","end_height":4,"state":"lost","timeline":[{"state":"lost"}]}`,
		"bad root":      `{"version":1,"supplier":"pokt1supplier","session_id":"bad root","end_height":4,"state":"sealed","root":"aa","timeline":[{"state":"sealed"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			chain := newFakeChain(t)
			b := newBench(t, chain)
			b.sendAll(0, 3)
			b.stop()
			b.spoil(name, record)
			b.start()
			b.run(chain.windows(4).ProofClose)
			if raw, err := b.store.Record(store.SessionKey{Supplier: testSupplier, SessionEnd: 4, SessionID: name}); err != nil || string(raw) != record {
				t.Errorf("what cannot be read is now %s, %v", raw, err)
			}
			if record := b.record(); record.State != StateSettled {
				t.Errorf("the other session is %s", record.State)
			}
			list, err := b.inspector().List(t.Context(), Filter{States: []State{StateSettled}})
			if err != nil || len(list) != 2 {
				t.Errorf("sessions: %+v, %v", list, err)
			}
		})
	}
}

func TestStart_RefusesTheStoreOfANewerRelayMiner(t *testing.T) {
	b := newBench(t, newFakeChain(t))
	b.stop()
	b.spoil("newer", `{"version":99}`)
	b.reopen()
	defer b.shut()
	_, err := NewRelayerSessionsManager(depinject.Supply(
		b.store, b.chain, acceptAll{}, &relayer.Receipts{}, slog.New(slog.DiscardHandler)))
	if err == nil {
		t.Error("it starts")
	}
}
