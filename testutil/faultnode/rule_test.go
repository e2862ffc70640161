package faultnode

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// hits returns which of the first n calls meet the fault, counted from 1.
func hits(t *testing.T, w *world, rule Rule, n int) (met []int) {
	t.Helper()
	rule.Fault = Drop()
	active := w.add(rule)
	defer active.Remove()
	for i := range n {
		if active.meet(&Call{Protocol: RPC, Method: "status", Body: []byte{byte(i)}}) != nil {
			met = append(met, i+1)
		}
	}
	if active.Hits() != len(met) {
		t.Errorf("%d hits are counted, %d calls met the fault", active.Hits(), len(met))
	}
	return met
}

func TestRule_SaysWhichCallsMeetTheFault(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name string
		rule Rule
		want []int
	}{
		{"all", Rule{}, []int{1, 2, 3, 4, 5, 6, 7}},
		{"by method", Rule{Methods: []string{"header", "status"}}, []int{1, 2, 3, 4, 5, 6, 7}},
		{"by prefix", Rule{Methods: []string{"stat*"}}, []int{1, 2, 3, 4, 5, 6, 7}},
		{"another method", Rule{Methods: []string{"statu", "status2", "x*"}}, nil},
		{"another protocol", Rule{Protocol: GRPC}, nil},
		{"first", Rule{First: 2}, []int{1, 2}},
		{"skip", Rule{Skip: 5}, []int{6, 7}},
		{"every", Rule{Every: 3}, []int{3, 6}},
		{"all counts", Rule{Skip: 1, Every: 2, First: 2}, []int{3, 5}},
		{"condition", Rule{When: func(c *Call) bool { return c.Body[0] == 4 }}, []int{5}},
		{"condition and count", Rule{When: func(c *Call) bool { return c.Body[0] > 2 }, Skip: 1, First: 1}, []int{5}},
		{"certain chance", Rule{Chance: 1}, []int{1, 2, 3, 4, 5, 6, 7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := hits(t, w, tc.rule, 7); !slices.Equal(got, tc.want) {
				t.Errorf("calls %d met the fault, want %d", got, tc.want)
			}
		})
	}
}

func TestRule_ChanceFollowsFromTheSeed(t *testing.T) {
	w := newWorld(t)
	const calls = 2000
	first := hits(t, w, Rule{Chance: 0.2, Seed: 7}, calls)
	if again := hits(t, w, Rule{Chance: 0.2, Seed: 7}, calls); !slices.Equal(first, again) {
		t.Error("the same seed has another outcome")
	}
	if other := hits(t, w, Rule{Chance: 0.2, Seed: 8}, calls); slices.Equal(first, other) {
		t.Error("another seed has the same outcome")
	}
	if share := float64(len(first)) / calls; math.Abs(share-0.2) > 0.05 {
		t.Errorf("%.3f of the calls met the fault", share)
	}
}

func TestRule_EarlierOnesAreOutside(t *testing.T) {
	w := newWorld(t)
	outer := w.add(Rule{Methods: []string{"status"}, Fault: Duplicate()})
	inner := w.add(Rule{Methods: []string{"status"}, Every: 2, Fault: Fail()})
	check(t, errOf(w.rpc.Status(w.ctx)))
	if outer.Hits() != 1 || inner.Hits() != 1 || w.node.receipts("status") != 1 {
		t.Errorf("hits %d and %d, received %d", outer.Hits(), inner.Hits(), w.node.receipts("status"))
	}
	w.Clear()
	check(t, errOf(w.rpc.Status(w.ctx)))
	if outer.Hits() != 1 || w.node.receipts("status") != 2 {
		t.Error("a rule outlives Clear")
	}
}

func TestAdd_RefusesRulesThatContradictThemselves(t *testing.T) {
	w := newWorld(t)
	for _, rule := range []Rule{
		{},
		{Fault: Drop(), First: -1},
		{Fault: Drop(), Skip: -1},
		{Fault: Drop(), Every: -1},
		{Fault: Drop(), Chance: 1.1},
		{Fault: Drop(), Chance: math.NaN()},
		{Fault: Drop(), Methods: []string{""}},
	} {
		if _, err := w.Add(rule); !errors.Is(err, ErrRule) {
			t.Errorf("%+v: %v", rule, err)
		}
	}
}
