package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// faultKind is something that goes wrong on purpose.
type faultKind string

// Kinds of faults. Those up to swallowBroadcasts can keep a claim or proof from
// the chain, and come one at a time with calm in between. The others only slow the
// relay miner down, and come at the same time.
const (
	killMiner         faultKind = "kill"
	restartNode       faultKind = "restart-node"
	refuseNode        faultKind = "refuse-connections"
	freezeNode        faultKind = "freeze-connections"
	delayCalls        faultKind = "delay-calls"
	failCalls         faultKind = "fail-calls"
	dropBroadcasts    faultKind = "drop-broadcasts"
	loseBroadcasts    faultKind = "lose-broadcast-answers"
	swallowBroadcasts faultKind = "swallow-broadcasts"

	slowDisk    faultKind = "slow-disk"
	slowBackend faultKind = "slow-backend"
)

// outages is the deck of the faults that can keep a claim or proof from the chain.
func outages() []faultKind {
	return []faultKind{
		killMiner, killMiner, killMiner, restartNode, refuseNode, freezeNode,
		delayCalls, failCalls, dropBroadcasts, loseBroadcasts, swallowBroadcasts,
	}
}

// slownesses is the deck of the faults that slow the relay miner down.
func slownesses() []faultKind { return []faultKind{slowDisk, slowBackend} }

// delays bound how slow a fault makes what it slows down: each call, each write
// that is to be durable, each answer of the service.
func delays(kind faultKind) (least, most time.Duration) {
	switch kind {
	case delayCalls:
		return 50 * time.Millisecond, 400 * time.Millisecond
	case slowDisk:
		return 10 * time.Millisecond, 150 * time.Millisecond
	case slowBackend:
		return 50 * time.Millisecond, 800 * time.Millisecond
	}
	return 0, 0
}

// longestFault returns how long a fault may last where windows have the given
// length: with as much calm behind each, half of every window is left.
func longestFault(window time.Duration) time.Duration { return window / 5 }

// fault is one entry of the schedule.
type fault struct {
	kind    faultKind
	lasting time.Duration // what it takes to start the killed again comes on top
	delay   time.Duration // of what is slowed down, otherwise 0
	chance  float64       // with which a call meets the fault, where it is for some
	calm    time.Duration // before the next fault, unless this one took longer
}

// String says what is going to happen.
func (f fault) String() string {
	text := fmt.Sprintf("%s for %s", f.kind, f.lasting.Round(time.Millisecond))
	switch f.kind {
	case delayCalls, slowDisk, slowBackend:
		text += fmt.Sprintf(", by %s each", f.delay.Round(time.Millisecond))
	case failCalls:
		text += fmt.Sprintf(", %.0f of 100", 100*f.chance)
	}
	return text
}

// schedule is an endless sequence of faults, the same for the same seed.
type schedule struct {
	random  *rand.Rand
	kinds   []faultKind
	longest time.Duration // of a fault, and shortest calm

	deck []faultKind // of the round, so that each kind has its turn in it
}

// newSchedule returns the schedule of one lane of faults. Lanes with the same seed
// are independent.
func newSchedule(seed, lane uint64, kinds []faultKind, longest time.Duration) *schedule {
	return &schedule{random: rand.New(rand.NewPCG(seed, lane)), kinds: kinds, longest: longest}
}

func (s *schedule) next() fault {
	if len(s.deck) == 0 {
		s.deck = append(s.deck, s.kinds...)
		s.random.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	kind := s.deck[0]
	s.deck = s.deck[1:]
	f := fault{
		kind:    kind,
		lasting: s.between(s.longest/4, s.longest),
		delay:   s.between(delays(kind)),
		chance:  0.3 + 0.7*s.random.Float64(),
		calm:    s.between(s.longest, s.longest*3/2),
	}
	if kind == killMiner {
		f.lasting /= 2 // the start that follows is part of the outage
	}
	return f
}

func (s *schedule) between(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(s.random.Int64N(int64(most-least)))
}
