package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

// fate is what the chain did with the claim of one session.
type fate struct {
	claimed []uint64 // relays of each claim: the first, and those that replaced it
	roots   []string // of each claim message that the chain has executed
	proofs  []string // why each proof was judged invalid, empty if valid
	settled []uint64 // relays for which it was settled
	lost    []string // what else became of it
}

// fates is what the chain did with all claims.
type fates map[sessionRef]*fate

func (f fates) of(ref sessionRef) *fate {
	if f[ref] == nil {
		f[ref] = &fate{}
	}
	return f[ref]
}

// readFates reads what the chain did in the blocks up to a height.
func readFates(ctx context.Context, network *localnet.Network, last int64) (fates, error) {
	events, err := network.Events(ctx, 1, last)
	if err != nil {
		return nil, err
	}
	all := make(fates)
	for _, event := range events {
		all.add(event)
	}
	for height := int64(1); height <= last; height++ {
		if err := all.addRoots(ctx, network, height); err != nil {
			return nil, fmt.Errorf("claims in block %d: %w", height, err)
		}
	}
	return all, nil
}

// claimEvent is what most events about claims have in common.
type claimEvent interface {
	GetApplicationAddress() string
	GetServiceId() string
	GetSupplierOperatorAddress() string
	GetSessionEndBlockHeight() int64
}

func (f fates) add(event localnet.Event) {
	if e, ok := event.Msg.(*tokenomicstypes.EventApplicationOverserviced); ok {
		it := f.of(sessionRef{e.ApplicationAddr, e.ServiceId, e.SupplierOperatorAddr, e.SessionEndBlockHeight})
		it.lost = append(it.lost, fmt.Sprintf("paid %s of %s", e.EffectiveBurn, e.ExpectedBurn))
		return
	}
	about, ok := event.Msg.(claimEvent)
	if !ok {
		return
	}
	it := f.of(sessionRef{about.GetApplicationAddress(), about.GetServiceId(),
		about.GetSupplierOperatorAddress(), about.GetSessionEndBlockHeight()})
	switch e := event.Msg.(type) {
	case *prooftypes.EventClaimCreated:
		it.claimed = append(it.claimed, e.NumRelays)
	case *prooftypes.EventClaimUpdated:
		it.claimed = append(it.claimed, e.NumRelays)
	case *prooftypes.EventProofValidityChecked:
		it.proofs = append(it.proofs, e.FailureReason)
	case *tokenomicstypes.EventClaimSettled:
		it.settled = append(it.settled, e.NumRelays)
	case *tokenomicstypes.EventClaimExpired:
		it.lost = append(it.lost, "expired: "+e.ExpirationReason.String())
	case *tokenomicstypes.EventClaimDiscarded:
		it.lost = append(it.lost, "discarded: "+e.Error)
	case *tokenomicstypes.EventSupplierSlashed:
		it.lost = append(it.lost, "slashed by "+e.ProofMissingPenalty)
	}
}

// addRoots reads the roots that the block's transactions have claimed.
func (f fates) addRoots(ctx context.Context, network *localnet.Network, height int64) error {
	block, err := network.RPC().Block(ctx, &height)
	if err != nil || len(block.Block.Txs) == 0 {
		return err
	}
	results, err := network.RPC().BlockResults(ctx, &height)
	if err != nil {
		return err
	}
	for i, txBytes := range block.Block.Txs {
		if results.TxsResults[i].Code != 0 {
			continue
		}
		if err := f.addRootsOf(txBytes); err != nil {
			return err
		}
	}
	return nil
}

func (f fates) addRootsOf(txBytes []byte) error {
	var tx txtypes.TxRaw
	var body txtypes.TxBody
	if err := tx.Unmarshal(txBytes); err != nil {
		return err
	}
	if err := body.Unmarshal(tx.BodyBytes); err != nil {
		return err
	}
	for _, message := range body.Messages {
		if !strings.HasSuffix(message.TypeUrl, ".MsgCreateClaim") {
			continue
		}
		var claim prooftypes.MsgCreateClaim
		if err := claim.Unmarshal(message.Value); err != nil {
			return err
		}
		it := f.of(refOf(claim.SessionHeader, claim.SupplierOperatorAddress))
		it.roots = append(it.roots, fmt.Sprintf("%x", claim.RootHash))
	}
	return nil
}

// faultsOf returns what is wrong with the end of a session all of whose windows
// are closed, on a chain that wants a proof of each claim: every relay that was
// answered is paid for, none that was not sent is, and the chain saw one root and
// valid proofs only.
func faultsOf(s served, f *fate) []string {
	if f == nil {
		if s.answered > 0 {
			return []string{fmt.Sprintf("%d relays were answered and none is claimed", s.answered)}
		}
		return nil
	}
	faults := slices.Clone(f.lost)
	for _, claimed := range f.claimed {
		if claimed < s.answered {
			faults = append(faults, fmt.Sprintf("%d relays were answered and %d are claimed", s.answered, claimed))
		}
		if claimed > s.sent {
			faults = append(faults, fmt.Sprintf("%d relays were sent and %d are claimed", s.sent, claimed))
		}
	}
	if roots := slices.Compact(slices.Sorted(slices.Values(f.roots))); len(roots) != 1 {
		faults = append(faults, fmt.Sprintf("claimed with %d different roots", len(roots)))
	}
	for _, reason := range f.proofs {
		if reason != "" {
			faults = append(faults, "invalid proof: "+reason)
		}
	}
	if len(f.proofs) == 0 {
		faults = append(faults, "no proof was judged")
	}
	if len(f.settled) != 1 || len(f.claimed) == 0 || f.settled[0] != f.claimed[0] {
		faults = append(faults, fmt.Sprintf("claimed %v relays and settled %v", f.claimed, f.settled))
	}
	return faults
}

func TestFaultsOf_FindsEveryLoss(t *testing.T) {
	good := func(change func(*fate)) *fate {
		f := &fate{claimed: []uint64{9}, roots: []string{"a"}, proofs: []string{""}, settled: []uint64{9}}
		if change != nil {
			change(f)
		}
		return f
	}
	for _, tc := range []struct {
		name   string
		served served
		fate   *fate
		want   string // part of the only fault, empty if there is none
	}{
		{"all is well", served{10, 9}, good(nil), ""},
		{"stored and not answered", served{10, 8}, good(nil), ""},
		{"claimed again with the same root", served{9, 9}, good(func(f *fate) {
			f.claimed, f.roots = []uint64{9, 9}, []string{"a", "a"}
		}), ""},
		{"nothing stored, nothing claimed", served{3, 0}, nil, ""},
		{"never claimed", served{3, 1}, nil, "none is claimed"},
		{"claimed too little", served{10, 10}, good(nil), "9 are claimed"},
		{"claimed too much", served{8, 8}, good(nil), "8 relays were sent"},
		{"another root", served{9, 9}, good(func(f *fate) { f.roots = []string{"a", "b"} }), "2 different roots"},
		{"a smaller claim afterwards", served{9, 8}, good(func(f *fate) { f.claimed = []uint64{9, 4} }), "4 are claimed"},
		{"invalid proof", served{9, 9}, good(func(f *fate) { f.proofs = []string{"bad"} }), "invalid proof: bad"},
		{"no proof", served{9, 9}, good(func(f *fate) { f.proofs = nil }), "no proof"},
		{"not settled", served{9, 9}, good(func(f *fate) { f.settled = nil }), "settled []"},
		{"settled for less", served{9, 9}, good(func(f *fate) { f.settled = []uint64{5} }), "settled [5]"},
		{"expired or slashed", served{9, 9}, good(func(f *fate) { f.lost = []string{"slashed"} }), "slashed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faults := faultsOf(tc.served, tc.fate)
			switch {
			case tc.want == "" && len(faults) > 0:
				t.Errorf("found %q", faults)
			case tc.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], tc.want)):
				t.Errorf("found %q, want %q", faults, tc.want)
			}
		})
	}
}
