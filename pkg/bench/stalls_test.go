package bench

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestStalls_CountsGapsOfAMillisecondOrMore(t *testing.T) {
	s := Stalls{Cores: 2, Time: 100 * time.Millisecond}
	for _, gap := range []time.Duration{time.Microsecond, time.Millisecond, stall - 1, 9 * time.Millisecond} {
		s.note(gap)
	}
	if s.Number != 2 || s.Sum != 10*time.Millisecond || s.Max != 9*time.Millisecond {
		t.Errorf("got %+v", s)
	}
	if got := s.Share(); got < 0.0499 || got > 0.0501 {
		t.Errorf("share %v", got)
	}
	if got := (Stalls{}).Share(); got != 0 {
		t.Errorf("share of nothing %v", got)
	}
}

func TestMeasureStalls_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := MeasureStalls(ctx, time.Hour)
	if !errors.Is(err, context.Canceled) || got.Time > time.Minute {
		t.Errorf("got %+v, %v", got, err)
	}
}
