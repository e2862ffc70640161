package main

import (
	"slices"
	"testing"
	"time"
)

func first(seed, lane uint64, n int) []fault {
	s := newSchedule(seed, lane, outages(), time.Second)
	faults := make([]fault, n)
	for i := range faults {
		faults[i] = s.next()
	}
	return faults
}

func TestSchedule_FollowsFromTheSeed(t *testing.T) {
	const n = 50
	if !slices.Equal(first(7, 0, n), first(7, 0, n)) {
		t.Error("the same seed has another schedule")
	}
	if slices.Equal(first(7, 0, n), first(8, 0, n)) || slices.Equal(first(7, 0, n), first(7, 1, n)) {
		t.Error("another seed or lane has the same schedule")
	}
}

func TestSchedule_EachRoundHasEveryFault(t *testing.T) {
	want := slices.Sorted(slices.Values(outages()))
	faults := first(3, 0, 3*len(want))
	for round := range slices.Chunk(faults, len(want)) {
		var kinds []faultKind
		for _, f := range round {
			kinds = append(kinds, f.kind)
		}
		if slices.Sort(kinds); !slices.Equal(kinds, want) {
			t.Errorf("a round has %v, want %v", kinds, want)
		}
	}
}

func TestSchedule_HasAsMuchCalmAsTrouble(t *testing.T) {
	for _, f := range first(5, 0, 500) {
		if f.lasting <= 0 || f.lasting > time.Second {
			t.Errorf("%s lasts %s, the longest is %s", f.kind, f.lasting, time.Second)
		}
		if f.calm < f.lasting {
			t.Errorf("%s lasts %s and is followed by %s of calm", f.kind, f.lasting, f.calm)
		}
		if least, most := delays(f.kind); f.delay < least || f.delay > most {
			t.Errorf("%s delays by %s, outside of %s to %s", f.kind, f.delay, least, most)
		}
	}
}
