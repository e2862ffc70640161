package e2e

import (
	"context"
	"encoding/hex"
	"testing"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"github.com/pokt-network/smt"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

func TestRelays_EarnTheirRewardOnARealChain(t *testing.T) {
	const relays = 25
	w := newWorld(t, localnet.Config{})
	w.startMiner()
	session := w.freshSession()
	sender, relay := w.client(), w.relay(session)
	before := w.requests()
	for range relays {
		answer, err := sender.Send(w.ctx, relay)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != 200 || len(answer.BodyBz) == 0 {
			t.Fatalf("the service answered %d %q", answer.StatusCode, answer.BodyBz)
		}
	}
	if got := w.requests() - before; got != relays {
		t.Errorf("%d requests reached the service", got)
	}
	end := session.Header.SessionEndBlockHeight

	created := await(w, end, func(e *prooftypes.EventClaimCreated) bool { return e.SessionEndBlockHeight == end })
	if created.NumRelays != relays || created.NumClaimedComputeUnits != relays*localnet.DefaultComputeUnitsPerRelay {
		t.Errorf("claimed %d relays with %d compute units", created.NumRelays, created.NumClaimedComputeUnits)
	}
	checkClaim(w, session.SessionId, relay.Supplier, relays)

	checked := await(w, end, func(e *prooftypes.EventProofValidityChecked) bool { return e.SessionEndBlockHeight == end })
	if checked.FailureReason != "" {
		t.Errorf("the proof was judged invalid: %s", checked.FailureReason)
	}
	settled := await(w, end, func(e *tokenomicstypes.EventClaimSettled) bool { return e.SessionEndBlockHeight == end })
	if settled.NumRelays != relays {
		t.Errorf("settled %d relays", settled.NumRelays)
	}
}

// await returns the first matching event from the height on.
func await[T interface {
	Reset()
	String() string
	ProtoMessage()
}](w *world, from int64, match func(T) bool) T {
	w.t.Helper()
	event, err := localnet.AwaitEvent(w.ctx, w.net, from, match)
	if err != nil {
		w.t.Fatal(err)
	}
	return event.Msg
}

// checkClaim compares the claim on chain with the relay miner's own record.
func checkClaim(w *world, sessionID, supplier string, relays uint64) {
	w.t.Helper()
	claim, err := w.queries.Claim(context.WithoutCancel(w.ctx), sessionID, supplier)
	if err != nil {
		w.t.Fatal(err)
	}
	count, err := smt.MerkleSumRoot(claim.RootHash).Count()
	if err != nil || count != relays {
		w.t.Errorf("the claimed root counts %d relays, %v", count, err)
	}
	sum, err := smt.MerkleSumRoot(claim.RootHash).Sum()
	if err != nil || sum != relays*localnet.DefaultComputeUnitsPerRelay {
		w.t.Errorf("the claimed root sums up to %d, %v", sum, err)
	}
	records, err := w.miner.Sessions()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, record := range records {
		if record.SessionID == sessionID {
			if record.Root != hex.EncodeToString(claim.RootHash) {
				w.t.Errorf("claimed root %x, recorded %s", claim.RootHash, record.Root)
			}
			return
		}
	}
	w.t.Errorf("session %s is not recorded", sessionID)
}
