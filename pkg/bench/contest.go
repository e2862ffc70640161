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
	Nanos  float64 `json:"cpu_ns_per_op"` // median of the turns
	Allocs float64 `json:"allocs_per_op"`
	Ops    int     `json:"ops"`
}

// turn is how long one contestant works, by the clock, before the other has its turn.
const turn = 3 * time.Millisecond

// Contest lets the contestants work in turns until the time is over or ctx ends, each at
// least once, and returns what one call costs each of them in CPU time of the whole
// process: nothing else should work in it. It fails if one of them does.
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

// play is one turn. It returns the CPU time that it took.
func play(c Contestant, from int) (ops int, took time.Duration, err error) {
	before, _, err := processUsage()
	if err != nil {
		return 0, 0, err
	}
	for began := time.Now(); ops == 0 || time.Since(began) < turn; ops++ {
		if err := c.Do(from + ops); err != nil {
			return 0, 0, err
		}
	}
	after, _, err := processUsage()
	return ops, after - before, err
}
