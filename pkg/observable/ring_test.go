package observable

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRing_BehavesLikeASliceOfBoundedLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(-1, 5).Draw(t, "capacity")
		r := newRing[int](capacity)
		var model []int
		next := 1
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				if r.full() {
					t.Skip("full")
				}
				r.push(next)
				model = append(model, next)
				next++
			},
			"pop": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("empty")
				}
				if v := r.pop(); v != model[0] {
					t.Fatalf("pop %d, want %d", v, model[0])
				}
				model = model[1:]
			},
			"": func(t *rapid.T) {
				if r.n != len(model) || r.full() != (len(model) == max(capacity, 1)) {
					t.Fatalf("holds %d, full %v, want %d of %d", r.n, r.full(), len(model), capacity)
				}
				for k := range len(model) + 2 {
					if last, want := r.last(k), model[max(len(model)-k, 0):]; !slices.Equal(last, want) {
						t.Fatalf("last(%d) = %v, want %v", k, last, want)
					}
				}
				free := 0
				for _, slot := range r.slots {
					if slot == 0 {
						free++
					}
				}
				if free != len(r.slots)-len(model) {
					t.Fatalf("slots %v keep what was popped", r.slots)
				}
			},
		})
	})
}
