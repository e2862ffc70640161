package session

import (
	"testing"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// devnet are windows as of parameters N=4, grace 1, claim 1/2, proof 0/2 for the
// session that ends at height 4.
func devnetParams() *sharedtypes.Params {
	p := sharedtypes.DefaultParams()
	p.NumBlocksPerSession = 4
	p.GracePeriodEndOffsetBlocks = 1
	p.ClaimWindowOpenOffsetBlocks = 1
	p.ClaimWindowCloseOffsetBlocks = 2
	p.ProofWindowOpenOffsetBlocks = 0
	p.ProofWindowCloseOffsetBlocks = 2
	return &p
}

func TestWindows_AreTheChains(t *testing.T) {
	got := windowsOf(devnetParams(), 4)
	want := windows{GraceEnd: 5, ClaimOpen: 6, ClaimClose: 8, ProofSeed: 7, ProofOpen: 8, ProofClose: 10}
	if got != want {
		t.Errorf("windows %+v, want %+v", got, want)
	}
}

func TestNextStep_FollowsFromStateAndHeightAlone(t *testing.T) {
	w := windowsOf(devnetParams(), 4)
	for _, tc := range []struct {
		state       State
		requirement Requirement
		steps       map[int64]step // by height; what is not listed is stepNone
	}{
		{StateOpen, RequirementUnknown, map[int64]step{6: stepSeal, 7: stepSeal, 8: stepSeal, 9: stepSeal, 10: stepSeal, 11: stepSeal}},
		{StateSealed, RequirementUnknown, map[int64]step{
			4: stepClaim, 5: stepClaim, 6: stepClaim, 7: stepClaim, 9: stepMiss, 10: stepMiss, 11: stepMiss}},
		{StateClaiming, RequirementUnknown, map[int64]step{
			4: stepClaim, 5: stepClaim, 6: stepClaim, 7: stepClaim, 9: stepMiss, 10: stepMiss, 11: stepMiss}},
		{StateClaimed, RequirementUnknown, map[int64]step{8: stepProve, 9: stepProve, 10: stepSettle, 11: stepSettle}},
		{StateClaimed, RequirementNone, map[int64]step{10: stepSettle, 11: stepSettle}},
		{StateProving, RequirementThreshold, map[int64]step{8: stepProve, 9: stepProve, 10: stepSettle, 11: stepSettle}},
		{StateProving, RequirementProbabilistic, map[int64]step{8: stepProve, 9: stepProve, 10: stepSettle, 11: stepSettle}},
		{StateProven, RequirementThreshold, map[int64]step{10: stepSettle, 11: stepSettle}},
		{StateSettled, RequirementThreshold, nil},
		{StateExpired, RequirementThreshold, nil},
		{StateMissed, RequirementUnknown, nil},
		{StateConflict, RequirementUnknown, nil},
	} {
		for height := int64(4); height <= 11; height++ {
			if got, want := nextStep(tc.state, tc.requirement, w, height), tc.steps[height]; got != want {
				t.Errorf("%s, requirement %q, height %d: step %d, want %d", tc.state, tc.requirement, height, got, want)
			}
		}
	}
}

func TestTransitions_LeadFromEveryStateToAnOutcome(t *testing.T) {
	reached := map[State]bool{StateOpen: true}
	queue := []State{StateOpen}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		for _, next := range transitions[state] {
			if state == next {
				t.Errorf("%s leads to itself", state)
			}
			if !reached[next] {
				reached[next] = true
				queue = append(queue, next)
			}
		}
	}
	for _, state := range []State{
		StateSealed, StateClaiming, StateClaimed, StateProving, StateProven,
		StateSettled, StateEmpty, StateUnprofitable, StateMissed, StateRejected, StateConflict, StateExpired,
	} {
		if !reached[state] {
			t.Errorf("%s cannot be reached", state)
		}
	}
	for _, state := range []State{
		StateSettled, StateEmpty, StateUnprofitable, StateMissed, StateRejected, StateConflict, StateExpired,
	} {
		if !state.Final() {
			t.Errorf("%s is not an outcome", state)
		}
	}
}

func TestRecord_RefusesTransitionsThatAreNotListed(t *testing.T) {
	record := &Record{SessionID: "s", State: StateSettled}
	if _, err := record.moved(StateOpen, 1, now(), ""); err == nil {
		t.Error("a settled session was opened again")
	}
	if record.State != StateSettled || len(record.Timeline) != 0 {
		t.Errorf("the record was changed: %+v", record)
	}
}
