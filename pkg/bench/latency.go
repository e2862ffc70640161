package bench

import (
	"slices"
	"time"
)

// Latencies sums up what a number of requests took. Times are in nanoseconds when
// encoded.
type Latencies struct {
	Count int           `json:"count"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Summarize sums up times, which it sorts. Of none, all values are 0.
func Summarize(times []time.Duration) Latencies {
	if len(times) == 0 {
		return Latencies{}
	}
	slices.Sort(times)
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	return Latencies{
		Count: len(times),
		Mean:  sum / time.Duration(len(times)),
		P50:   quantile(times, 0.5),
		P99:   quantile(times, 0.99),
		P999:  quantile(times, 0.999),
		Max:   times[len(times)-1],
	}
}

// quantile returns the smallest of the sorted times that is not exceeded by the
// share q of them.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// Median returns the median of values, which it sorts, or 0 if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
