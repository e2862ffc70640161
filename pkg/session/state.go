package session

// State is where a session stands on its way from its first relay to its
// outcome. It is written to disk before what follows from it is done, if the disk
// can be written to.
type State string

// The states of a session, in the order in which they are gone through.
const (
	StateOpen     State = "open"     // takes relays
	StateSealed   State = "sealed"   // takes no more relays; its root is fixed
	StateClaiming State = "claiming" // the claim may have been sent
	StateClaimed  State = "claimed"  // the chain holds the claim with our root
	StateProving  State = "proving"  // the proof may have been sent
	StateProven   State = "proven"   // the chain has judged the proof valid

	// Outcomes.
	StateSettled      State = "settled"      // the chain has paid
	StateEmpty        State = "empty"        // no relay met the difficulty
	StateUnprofitable State = "unprofitable" // claiming would have cost more than it pays
	StateMissed       State = "missed"       // the claim window closed without a claim
	StateRejected     State = "rejected"     // the chain refused the claim or discarded it
	StateConflict     State = "conflict"     // the chain holds a claim with another root
	StateExpired      State = "expired"      // the chain expired the claim: no proof, or an invalid one
	StateUnresolved   State = "unresolved"   // the claim is gone and no node tells what became of it
)

// transitions lists where a session can go from each state. What is not listed
// is a programming error and is refused.
var transitions = map[State][]State{
	StateOpen:     {StateSealed, StateEmpty},
	StateSealed:   {StateClaiming, StateClaimed, StateUnprofitable, StateMissed, StateConflict},
	StateClaiming: {StateClaimed, StateUnprofitable, StateMissed, StateRejected, StateConflict, StateSettled, StateExpired, StateUnresolved},
	StateClaimed:  {StateProving, StateProven, StateSettled, StateExpired, StateRejected, StateConflict, StateUnresolved},
	StateProving:  {StateProven, StateSettled, StateExpired, StateRejected, StateConflict, StateUnresolved},
	StateProven:   {StateSettled, StateExpired, StateRejected, StateUnresolved},
}

// canGo reports whether a session can go from one state to another.
func (s State) canGo(to State) bool {
	for _, next := range transitions[s] {
		if next == to {
			return true
		}
	}
	return false
}

// Final reports whether nothing more is going to happen to the session.
func (s State) Final() bool { return len(transitions[s]) == 0 }

// bad reports whether the state means that relays are not paid, as far as is known.
func (s State) bad() bool {
	switch s {
	case StateMissed, StateRejected, StateConflict, StateExpired, StateUnresolved:
		return true
	default:
		return false
	}
}

// step is what is to be done next for a session.
type step int

const (
	stepNone   step = iota
	stepSeal        // fix the root
	stepClaim       // bring the claim on chain, or find it there
	stepMiss        // the claim window is closed: find out what the chain holds
	stepProve       // find out whether a proof is required and bring it on chain
	stepSettle      // find out how the chain has settled the claim
)

// nextStep decides what is to be done for a session at the given height of the
// chain. It depends on nothing but its arguments: whatever happened to an
// earlier attempt, the same state at the same height leads to the same step.
func nextStep(state State, requirement Requirement, w windows, height int64) step {
	switch state {
	case StateOpen:
		if height >= w.ClaimOpen {
			return stepSeal
		}
	case StateSealed, StateClaiming:
		// A message that is sent now is included in the next block at the earliest.
		if height < w.ClaimClose {
			return stepClaim
		}
		// Answers of a node can be one block behind the block that was seen.
		if height > w.ClaimClose {
			return stepMiss
		}
	case StateClaimed, StateProving, StateProven:
		if height >= w.ProofClose {
			return stepSettle
		}
		undecided := requirement == RequirementUnknown || requirement.Required()
		if state != StateProven && undecided && height >= w.ProofOpen {
			return stepProve
		}
	}
	return stepNone
}
