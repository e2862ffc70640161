package tx

import (
	"testing"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestStats_TellBlocksFromTheFirstBroadcastUntilInForce(t *testing.T) {
	r := newRig(t, Options{})
	r.onInclude = func(*fakeTx) (bool, uint32) { return false, 0 }
	outs, _ := r.give(2, 50, false)
	r.step()
	for range 4 {
		r.nextStep()
	}
	r.onInclude = nil
	r.nextStep()
	r.wantAll(outs, relayer.InForce)
	sub, _ := r.submission(9, 50)
	r.effects[recipientOf(sub)] = []int64{1} // in force already, so it takes no time
	r.want(r.givenAndStepped(sub), relayer.InForce)
	delay := r.signer.counters.snapshot().Delay
	if delay.Count != 2 || delay.Sum != 2*5 {
		t.Errorf("delay is %+v", delay)
	}
	for i, bound := range DelayBounds() {
		if want := map[bool]uint64{true: 2}[bound >= 5]; delay.Counts[i] != want {
			t.Errorf("%d messages took %d blocks at most, want %d", delay.Counts[i], bound, want)
		}
	}
}

// givenAndStepped hands over a submission and makes a step.
func (r *rig) givenAndStepped(sub *relayer.Submission) <-chan relayer.Outcome {
	out := r.signer.give(r, sub)
	r.step()
	return out
}

func TestStats_TellWhyTransactionsFail(t *testing.T) {
	r := newRig(t, Options{})
	refuse := true
	r.onBroadcast = func(*fakeTx) (bool, error) {
		if refuse {
			refuse = false
			return false, refusal(13)
		}
		return true, nil
	}
	include := true
	r.onInclude = func(*fakeTx) (bool, uint32) {
		if include {
			include = false
			return true, 5
		}
		return true, 0
	}
	r.refuseSim = func(recipients []string) error {
		if len(recipients) == 1 && r.height < 2 {
			return &chain.Refusal{Codespace: chain.SimulationCodespace, Code: 2}
		}
		return nil
	}
	out, _ := r.give(1, 50, false)
	for range 8 {
		r.step()
		r.next()
	}
	r.want(out[0], relayer.InForce)
	got := r.signer.counters.snapshot().Failures
	for _, kind := range []Failure{{chain.SimulationCodespace, 2}, {"sdk", 13}, {"sdk", 5}} {
		if got[kind] != 1 {
			t.Errorf("%+v happened %d times", kind, got[kind])
		}
	}
	if len(got) != 3 {
		t.Errorf("failures are %v", got)
	}
}

func TestStats_TellFailuresApartUpToABound(t *testing.T) {
	var c counters
	for code := range uint32(2 * maxFailureKinds) {
		c.refusal(&chain.Refusal{Codespace: "strange", Code: code})
		c.refusal(&chain.Refusal{Codespace: "strange", Code: 0})
	}
	got := c.snapshot().Failures
	if len(got) != maxFailureKinds+1 || got[Failure{Codespace: OtherFailures}] != maxFailureKinds || got[Failure{"strange", 0}] != 2*maxFailureKinds+1 {
		t.Errorf("%d kinds, %d others", len(got), got[Failure{Codespace: OtherFailures}])
	}
}
