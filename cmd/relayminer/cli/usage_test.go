package cli

import (
	"context"
	"testing"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/session"
)

func TestStoredUsage_TellsWhatWasServedBeforeARestart(t *testing.T) {
	h := newHome(t)
	st := h.open()
	defer h.close(st)
	for _, c := range []struct {
		name, id, supplier string
		end                int64
		want               uint64
	}{
		{"open", openID, aliceAddress, 40, 200},
		{"sealed", openID, bobAddress, 40, 100},
		{"settled", settledID, aliceAddress, 20, 300},
		{"of another supplier", settledID, bobAddress, 20, 0},
		{"new", missedID, bobAddress, 50, 0},
	} {
		header := &sessiontypes.SessionHeader{SessionId: c.id, SessionEndBlockHeight: c.end}
		got, err := storedUsage{st}.StoredComputeUnits(context.Background(), header, c.supplier)
		if err != nil || got != c.want {
			t.Errorf("%s session: %d compute units, %v, want %d", c.name, got, err, c.want)
		}
	}
}

func TestUnsettled_AreTheSessionsWithoutAnOutcome(t *testing.T) {
	h := newHome(t)
	st := h.open()
	defer h.close(st)
	records, err := session.Records(st)
	if err != nil {
		t.Fatal(err)
	}
	left := make(map[string]string)
	for _, u := range unsettled(records) {
		left[u.Supplier] = u.Session.SessionId
		if u.Session.ApplicationAddress != appAddress || u.Session.SessionStartBlockHeight != 31 {
			t.Errorf("header %v", u.Session)
		}
	}
	if len(left) != 2 || left[aliceAddress] != openID || left[bobAddress] != openID {
		t.Errorf("unsettled: %v", left)
	}
}
