package async

import (
	"math"
	"testing"
	"time"
)

func TestRestart_PausesDoubleUpToTheirMaximum(t *testing.T) {
	const s = time.Second
	cases := []struct {
		name       string
		first, max time.Duration
		want       []time.Duration // after 1, 2, ... failures
	}{
		{"defaults", 0, 0, []time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}},
		{"negative", -1, -1, []time.Duration{1 * s, 2 * s}},
		{"power of two", s, 4 * s, []time.Duration{1 * s, 2 * s, 4 * s, 4 * s}},
		{"no power of two", s, 7 * s, []time.Duration{1 * s, 2 * s, 4 * s, 7 * s, 7 * s}},
		{"first above maximum", 9 * s, 2 * s, []time.Duration{2 * s, 2 * s}},
		{"no wrapping", math.MaxInt64 / 3, math.MaxInt64, []time.Duration{math.MaxInt64 / 3, math.MaxInt64 / 3 * 2, math.MaxInt64}},
	}
	for _, c := range cases {
		r := Restart{First: c.first, Max: c.max}.withDefaults()
		for i, want := range c.want {
			if pause := r.pause(i + 1); pause != want {
				t.Errorf("%s: %v after %d failures, want %v", c.name, pause, i+1, want)
			}
		}
	}
	if r := (Restart{}).withDefaults(); r.Attempts != 5 || r.Healthy != 10*time.Minute {
		t.Errorf("defaults %+v", r)
	}
}
