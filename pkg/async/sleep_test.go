package async_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

func TestSleep_LastsAsLongAsAskedUnlessItsContextEnds(t *testing.T) {
	for _, c := range []struct {
		name          string
		d, ends, want time.Duration // ends: of the context, 0 for never
		slept         bool
	}{
		{"to the end", time.Minute, 0, time.Minute, true},
		{"cut short", time.Minute, time.Second, time.Second, false},
		{"nothing", 0, 0, 0, true},
		{"the past", -time.Second, 0, 0, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.ends > 0 {
				defer time.AfterFunc(c.ends, cancel).Stop()
			}
			began := time.Now()
			slept := async.Sleep(ctx, c.d)
			if took := time.Since(began); slept != c.slept || took != c.want {
				t.Errorf("%s: %t after %v, want %t after %v", c.name, slept, took, c.slept, c.want)
			}
		})
	}
}

func TestSleep_OfNoTimeSaysThatItsContextIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if async.Sleep(ctx, 0) {
		t.Error("slept on")
	}
}
