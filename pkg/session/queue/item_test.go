package queue

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLess_DutyThenDeadlineThenReward(t *testing.T) {
	ordered := []Priority{
		{RequiredProof, 900, 0}, // whatever else waits
		{RequiredProof, 0, 10},
		{Claim, 100, 7},
		{Claim, 100, 6},
		{Claim, 100, -1},
		{Claim, 101, 1_000_000},
		{Claim, 0, 1_000_000}, // no deadline
		{Other, 1, 1},
		{},
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if Less(a, b) != (i < j) {
				t.Errorf("Less(%v, %v) is %v", a, b, !(i < j))
			}
		}
	}
}

func TestLess_IsAStrictWeakOrder(t *testing.T) {
	some := rapid.Custom(func(t *rapid.T) Priority {
		return Priority{
			Duty:     Duty(rapid.IntRange(0, 3).Draw(t, "duty")),
			Deadline: rapid.SampledFrom([]int64{-1, 0, 1, 2, 1<<63 - 1}).Draw(t, "deadline"),
			Reward:   rapid.Int64Range(-1, 1).Draw(t, "reward"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := some.Draw(t, "a"), some.Draw(t, "b"), some.Draw(t, "c")
		equal := func(a, b Priority) bool { return !Less(a, b) && !Less(b, a) }
		switch {
		case Less(a, a):
			t.Fatal("an item is more urgent than itself")
		case Less(a, b) && Less(b, c) && !Less(a, c):
			t.Fatal("not transitive")
		case equal(a, b) && equal(b, c) && !equal(a, c):
			t.Fatal("being as urgent is not transitive")
		}
	})
}
