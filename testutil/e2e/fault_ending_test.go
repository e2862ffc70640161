package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// ending is how the sessions of a scenario end.
type ending int

const (
	paid    ending = iota // claimed once, proven once, settled
	missed                // not claimed, and the relay miner has written down why
	slashed               // claimed and not proven, and the relay miner has written down why
)

// state is the one in which the relay miner's records must be at the end.
func (e ending) state() session.State {
	return map[ending]session.State{
		paid: session.StateSettled, missed: session.StateMissed, slashed: session.StateExpired,
	}[e]
}

// recordPatience is for how many blocks after the last window the relay miner may
// be busy finding out how its sessions have ended.
const recordPatience = 30

// history is everything that the chain said of one session.
type history struct {
	created, updated  int
	proofs, reproofs  int
	judged            []string // why each proof was judged invalid, empty if valid
	settled           []uint64 // relays
	expired, slashed  int
	discarded, capped int
}

// judge waits until all windows are closed and compares what the chain and the
// relay miner say with how the scenario is to end.
func (tr *trial) judge() {
	tr.t.Helper()
	last := sharedtypes.GetProofWindowCloseHeight(tr.params, tr.ledger.lastEnd()) + 1
	tr.at(last)
	told, err := tr.w.told.upTo(tr.ctx, last)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.ledger.mu.Lock()
	for ref, served := range tr.ledger.sessions {
		if faults := told[ref].faults(tr.end, served); len(faults) > 0 {
			tr.t.Errorf("%s: %s", ref, strings.Join(faults, "; "))
		}
	}
	sessions := len(tr.ledger.sessions)
	tr.ledger.mu.Unlock()
	tr.awaitRecords(sessions, last+recordPatience)
}

// chronicle is what a chain has said of all sessions. Reading a block with many
// settlements takes a while, so each is read once for all trials.
type chronicle struct {
	net *localnet.Network

	mu   sync.Mutex
	read int64 // height of the last block that was read
	told map[sessionRef]history
}

func newChronicle(net *localnet.Network) *chronicle {
	return &chronicle{net: net, told: make(map[sessionRef]history)}
}

// upTo returns what was said up to a height, or a little later.
func (c *chronicle) upTo(ctx context.Context, height int64) (map[sessionRef]history, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.read < height {
		events, err := c.net.Events(ctx, c.read+1, c.read+1)
		if err != nil {
			return nil, err
		}
		for _, event := range events {
			c.add(event)
		}
		c.read++
	}
	return maps.Clone(c.told), nil
}

func (c *chronicle) add(event localnet.Event) {
	if e, ok := event.Msg.(*tokenomicstypes.EventApplicationOverserviced); ok {
		ref := sessionRef{e.ApplicationAddr, e.ServiceId, e.SupplierOperatorAddr, e.SessionEndBlockHeight}
		h := c.told[ref]
		h.capped++
		c.told[ref] = h
		return
	}
	about, ok := event.Msg.(claimEvent)
	if !ok {
		return
	}
	ref := sessionRef{about.GetApplicationAddress(), about.GetServiceId(),
		about.GetSupplierOperatorAddress(), about.GetSessionEndBlockHeight()}
	h := c.told[ref]
	switch e := event.Msg.(type) {
	case *prooftypes.EventClaimCreated:
		h.created++
	case *prooftypes.EventClaimUpdated:
		h.updated++
	case *prooftypes.EventProofSubmitted:
		h.proofs++
	case *prooftypes.EventProofUpdated:
		h.reproofs++
	case *prooftypes.EventProofValidityChecked:
		h.judged = append(slices.Clone(h.judged), e.FailureReason)
	case *tokenomicstypes.EventClaimSettled:
		h.settled = append(slices.Clone(h.settled), e.NumRelays)
	case *tokenomicstypes.EventClaimExpired:
		h.expired++
	case *tokenomicstypes.EventClaimDiscarded:
		h.discarded++
	case *tokenomicstypes.EventSupplierSlashed:
		h.slashed++
	}
	c.told[ref] = h
}

// faults returns what is not as it is to end.
func (h history) faults(end ending, served served) (faults []string) {
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	claims := 1
	if end == missed {
		claims = 0
	}
	demand(h.created == claims, "%d claims were created, want %d", h.created, claims)
	demand(h.updated == 0, "the claim was included %d times more", h.updated)
	demand(h.reproofs == 0, "the proof was included %d times more", h.reproofs)
	demand(h.discarded == 0, "the claim was discarded")
	demand(h.capped == 0, "the claim was not paid in full")
	if end != paid {
		demand(h.proofs == 0 && len(h.settled) == 0, "%d proofs were included, %d claims settled", h.proofs, len(h.settled))
		demand((h.expired == 1 && h.slashed == 1) == (end == slashed), "expired %d times, slashed %d times", h.expired, h.slashed)
		return faults
	}
	demand(h.proofs == 1, "%d proofs were included", h.proofs)
	demand(slices.Equal(h.judged, []string{""}), "proofs were judged %q", h.judged)
	demand(h.expired == 0 && h.slashed == 0, "expired %d times, slashed %d times", h.expired, h.slashed)
	settled := len(h.settled) == 1 && h.settled[0] >= served.answered && h.settled[0] <= served.sent
	demand(settled, "settled %d relays, sent %d, answered %d", h.settled, served.sent, served.answered)
	return faults
}

// awaitRecords waits until the relay miner has written down how its sessions have
// ended.
func (tr *trial) awaitRecords(sessions int, last int64) {
	tr.t.Helper()
	for {
		height := tr.w.net.Height()
		records, err := tr.miner.Sessions()
		if err != nil {
			tr.t.Fatal(err)
		}
		var wrong []string
		for _, record := range records {
			if fault := tr.faultOf(record); fault != "" {
				wrong = append(wrong, fault)
			}
		}
		if len(records) != sessions {
			wrong = append(wrong, fmt.Sprintf("%d sessions are recorded, want %d", len(records), sessions))
		}
		if len(wrong) == 0 {
			return
		}
		if height >= last {
			tr.t.Errorf("at height %d: %s", height, strings.Join(wrong, "; "))
			return
		}
		tr.at(height + 1)
	}
}

// faultOf returns what is not as it is to end in a record.
func (tr *trial) faultOf(record *session.Record) string {
	final := record.Timeline[len(record.Timeline)-1]
	switch {
	case record.State != tr.end.state():
		return fmt.Sprintf("session %s is recorded as %s, want %s: %+v", record.SessionID, record.State, tr.end.state(), record.Timeline)
	case tr.end != paid && final.Reason == "":
		return fmt.Sprintf("session %s is recorded as %s without a reason", record.SessionID, record.State)
	}
	return ""
}
