package bench

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestContest_TakesTurns(t *testing.T) {
	var order strings.Builder
	var heap []*[64]byte
	contestant := func(name string, allocate bool) Contestant {
		next := 0
		return Contestant{name, func(n int) error {
			if n != next {
				t.Errorf("%s: call %d came as number %d", name, next, n)
			}
			next++
			if !strings.HasSuffix(order.String(), name) {
				order.WriteString(name)
			}
			if allocate {
				heap = append(heap[:0], new([64]byte))
			}
			return nil
		}}
	}
	scores, err := Contest(t.Context(), 8*turn, contestant("a", true), contestant("b", false))
	if err != nil {
		t.Fatal(err)
	}
	if turns := order.String(); !strings.HasPrefix(turns, "abab") {
		t.Errorf("turns were taken as %q", turns)
	}
	if scores[0].Name != "a" || scores[0].Allocs < 1 || scores[1].Name != "b" || scores[1].Allocs >= 1 {
		t.Errorf("got %+v, want an allocation for each call of a alone", scores)
	}
	if scores[0].Ops == 0 || scores[1].Ops == 0 {
		t.Errorf("got %+v", scores)
	}
}

func TestContest_EachHasATurnHoweverShortTheTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	scores, err := Contest(ctx, time.Hour, Contestant{"a", func(int) error { return nil }}, Contestant{"b", func(int) error { return nil }})
	if err != nil || scores[0].Ops == 0 || scores[1].Ops == 0 {
		t.Errorf("got %+v, %v", scores, err)
	}
}

func TestContest_FailsWithAContestant(t *testing.T) {
	wrong := errors.New("wrong")
	_, err := Contest(t.Context(), time.Hour, Contestant{"a", func(int) error { return nil }}, Contestant{"b", func(int) error { return wrong }})
	if !errors.Is(err, wrong) || !strings.Contains(err.Error(), "b:") {
		t.Errorf("got %v", err)
	}
}

func TestRings_ComparesEachCaseForEachSize(t *testing.T) {
	var cases []string
	err := Rings(t.Context(), RingOptions{Sizes: []int{1, 3}, Applications: 2, Duration: 1, settledUses: 1}, func(l RingLine) {
		cases = append(cases, l.Case)
		if l.Ours.Ops == 0 || l.Theirs.Ops == 0 || l.Theirs.Name != "ring-go" || l.Ring != 1 && l.Ring != 3 {
			t.Errorf("got %+v", l)
		}
	})
	if got, want := strings.Join(cases, ","), "hot,cold,mixed 2,hot,cold,mixed 2"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestRings_TellsNothingMoreWhenItsContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	lines := 0
	err := Rings(ctx, RingOptions{Sizes: []int{2}, Applications: 2, Duration: 1, settledUses: 1}, func(RingLine) {
		lines++
		cancel()
	})
	if !errors.Is(err, context.Canceled) || lines != 1 {
		t.Errorf("got %v after %d lines", err, lines)
	}
}
