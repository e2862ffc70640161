package bench

import (
	"context"
	"fmt"
	"time"
)

// Contestant is one of two implementations of the same thing.
type Contestant struct {
	Name string
	// Do does the thing once; n counts its calls from 0.
	Do func(n int) error
}

// Score is what one call of a contestant costs.
type Score struct {
	Name   string  `json:"name"`
	Nanos  float64 `json:"ns_per_op"` // median of the turns
	Allocs float64 `json:"allocs_per_op"`
	Ops    int     `json:"ops"`
}

// turn is how long one contestant works before the other has its turn.
const turn = 3 * time.Millisecond

// Contest lets the contestants work in turns until the time is over or ctx ends, each
// at least once, and returns what one call costs each of them, by the clock. It
// fails if one of them does.
func Contest(ctx context.Context, d time.Duration, contestants ...Contestant) ([]Score, error) {
	scores := make([]Score, len(contestants))
	turns := make([][]float64, len(contestants))
	objects := make([]uint64, len(contestants))
	for began := time.Now(); ; {
		for i, c := range contestants {
			before, _ := allocated()
			ops, took, err := play(c, scores[i].Ops)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			after, _ := allocated()
			scores[i].Ops += ops
			objects[i] += after - before
			turns[i] = append(turns[i], float64(took)/float64(ops))
		}
		if time.Since(began) >= d || ctx.Err() != nil {
			break
		}
	}
	for i, c := range contestants {
		scores[i].Name = c.Name
		scores[i].Nanos = Median(turns[i])
		scores[i].Allocs = float64(objects[i]) / float64(scores[i].Ops)
	}
	return scores, nil
}

// play is one turn.
func play(c Contestant, from int) (ops int, took time.Duration, err error) {
	began := time.Now()
	for took < turn {
		if err := c.Do(from + ops); err != nil {
			return 0, 0, err
		}
		ops++
		took = time.Since(began)
	}
	return ops, took, nil
}
