package proxy

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

func TestReplays_AnsweredRelayIsRefusedAndRefusedOneMayComeAgain(t *testing.T) {
	var r replays
	relay := func(i int) [32]byte { return sha256.Sum256(fmt.Append(nil, i)) }
	if !r.enter(relay(1)) {
		t.Fatal("a new relay is a replay")
	}
	if r.enter(relay(1)) {
		t.Error("a relay in flight is served twice at a time")
	}
	r.leave(relay(1), false)
	if !r.enter(relay(1)) {
		t.Error("a relay that was refused may not come again")
	}
	r.leave(relay(1), true)
	if r.enter(relay(1)) {
		t.Error("a relay that was answered is answered again")
	}
	if n := len(r.inFlight); n != 0 {
		t.Errorf("%d relays are in flight", n)
	}
}

func TestReplays_AreBoundedAndKeepTheNewest(t *testing.T) {
	var r replays
	relay := func(i int) [32]byte { return sha256.Sum256(fmt.Append(nil, i)) }
	const many = 3*maxReplays + 10
	for i := range many {
		if !r.enter(relay(i)) {
			t.Fatalf("relay %d is a replay", i)
		}
		r.leave(relay(i), true)
		if n := len(r.newer) + len(r.older); n > 2*maxReplays {
			t.Fatalf("%d relays are kept", n)
		}
	}
	for i := many - maxReplays; i < many; i += 1000 {
		if r.enter(relay(i)) {
			t.Errorf("relay %d of %d was forgotten", i, many)
		}
	}
}
