package async_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

func TestSupervise_GivesUpAfterItsAttemptsWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := async.NewGroup(t.Context())
		var runs int
		var pauses []time.Duration
		restart := async.Restart{
			Attempts: 6, First: time.Second, Max: 5 * time.Second,
			OnRetry: func(name string, failures int, pause time.Duration, err error) {
				pauses = append(pauses, pause)
				if name != "feed" || failures != len(pauses) || !errors.Is(err, io.EOF) {
					t.Errorf("retry of %q after %d failures: %v", name, failures, err)
				}
			},
		}
		began := time.Now()
		err := g.Supervise("feed", restart, func(context.Context) error { runs++; return io.EOF })
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{1e9, 2e9, 4e9, 5e9, 5e9}
		if runs != 6 || !slices.Equal(pauses, want) || time.Since(began) != 17*time.Second {
			t.Errorf("%d runs, pauses %v, %v in all, want 6, %v, 17s", runs, pauses, time.Since(began), want)
		}
		var gaveUp *async.GaveUpError
		if !errors.As(g.Err(), &gaveUp) || gaveUp.Name != "feed" || gaveUp.Attempts != 6 || !errors.Is(gaveUp, io.EOF) {
			t.Errorf("Err: %v, want feed given up after 6 attempts for EOF", g.Err())
		}
	})
}

func TestSupervise_PanicIsAFailureThatIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := async.NewGroup(t.Context())
		var runs int
		var retried error
		restart := async.Restart{OnRetry: func(_ string, _ int, _ time.Duration, err error) { retried = err }}
		err := g.Supervise("feed", restart, func(context.Context) error {
			if runs++; runs == 1 {
				panic("once")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var p *async.PanicError
		if runs != 2 || !errors.As(retried, &p) || g.Err() != nil {
			t.Errorf("%d runs, retried for %v, Err %v, want 2, a panic, nil", runs, retried, g.Err())
		}
	})
}

func TestSupervise_AHealthyRunForgivesEarlierFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := async.NewGroup(t.Context())
		var runs int
		restart := async.Restart{Attempts: 2, First: time.Second, Healthy: time.Hour}
		err := g.Supervise("feed", restart, func(ctx context.Context) error {
			runs++
			if runs == 2 {
				select {
				case <-time.After(time.Hour):
				case <-ctx.Done():
				}
			}
			return io.EOF
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Run 2 was healthy, so its failure is the first in a row; run 3 fails
		// at once, which is the second.
		if runs != 3 || g.Failures() != 1 {
			t.Errorf("%d runs, %d failures, want 3, 1", runs, g.Failures())
		}
	})
}

func TestSupervise_StopEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := async.NewGroup(t.Context())
		err := g.Supervise("feed", async.Restart{First: time.Hour, Max: time.Hour}, func(context.Context) error { return io.EOF })
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // in the pause
		began := time.Now()
		if err := g.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) != 0 || g.Err() != nil {
			t.Errorf("Stop took %v, Err %v, want 0, nil", time.Since(began), g.Err())
		}
		if err := g.Supervise("late", async.Restart{}, untilDone); !errors.Is(err, async.ErrStopped) {
			t.Errorf("Supervise after Stop: %v, want ErrStopped", err)
		}
	})
}

func TestSupervise_AFailureWhileStoppingIsNotRetried(t *testing.T) {
	g := async.NewGroup(t.Context())
	runs := 0
	err := g.Supervise("feed", async.Restart{}, func(ctx context.Context) error {
		runs++
		<-ctx.Done()
		return io.ErrClosedPipe
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if runs != 1 || !errors.Is(g.Err(), io.ErrClosedPipe) {
		t.Errorf("%d runs, Err %v, want 1, closed pipe", runs, g.Err())
	}
}
