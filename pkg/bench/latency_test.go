package bench

import (
	"testing"
	"time"
)

func TestSummarize_TellsWhatSharesOfRequestsTook(t *testing.T) {
	var times []time.Duration
	for n := 1000; n > 0; n-- {
		times = append(times, time.Duration(n))
	}
	want := Latencies{Count: 1000, Mean: 500, P50: 501, P99: 991, P999: 1000, Max: 1000}
	if got := Summarize(times); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Summarize(nil); got != (Latencies{}) {
		t.Errorf("of nothing: %+v", got)
	}
	if got := Summarize([]time.Duration{7}); got != (Latencies{Count: 1, Mean: 7, P50: 7, P99: 7, P999: 7, Max: 7}) {
		t.Errorf("of one: %+v", got)
	}
}

func TestMedian_IsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{100, 1, 2}, 2},
	} {
		if got := Median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}
