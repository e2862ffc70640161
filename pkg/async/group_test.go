package async_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/async"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// untilDone is a well-behaved goroutine.
func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func mustGo(t *testing.T, g *async.Group, name string, fn func(ctx context.Context) error) {
	t.Helper()
	if err := g.Go(name, fn); err != nil {
		t.Fatal(err)
	}
}

func TestGroup_StopNamesTheTenOfAThousandThatIgnoreTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := async.NewGroup(t.Context())
		release := make(chan struct{})
		var stubborn []string
		for i := range 1000 {
			name, fn := fmt.Sprintf("task-%03d", i), untilDone
			if i%100 == 7 {
				stubborn = append(stubborn, name)
				fn = func(context.Context) error { <-release; return nil }
			}
			mustGo(t, g, name, fn)
		}
		if n := g.Len(); n != 1000 {
			t.Fatalf("%d tasks run, want 1000", n)
		}

		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err := g.Stop(ctx)
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("Stop returned after %v, want at its deadline", waited)
		}
		var survivors *async.SurvivorsError
		if !errors.As(err, &survivors) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Stop: %v, want survivors and a deadline", err)
		}
		if !slices.Equal(survivors.Names, stubborn) || !slices.Equal(g.List(), stubborn) {
			t.Errorf("survivors %v, listed %v, want %v", survivors.Names, g.List(), stubborn)
		}
		for _, name := range stubborn {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%q does not name %s", err, name)
			}
		}

		close(release)
		if err := g.Stop(context.Background()); err != nil {
			t.Errorf("second Stop: %v", err)
		}
		if err := g.Err(); err != nil {
			t.Errorf("ending on cancellation counts as a failure: %v", err)
		}
	})
}

func TestGroup_GoAfterStopIsRefused(t *testing.T) {
	g := async.NewGroup(t.Context())
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{})
	err := g.Go("late", func(context.Context) error { close(ran); return nil })
	if !errors.Is(err, async.ErrStopped) || !strings.Contains(err.Error(), "late") {
		t.Errorf("Go: %v, want ErrStopped naming the goroutine", err)
	}
	if err := g.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-ran:
		t.Error("the refused function ran")
	default:
	}
}

func TestGroup_GoIsRefusedWhileStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := async.NewGroup(t.Context())
		release := make(chan struct{})
		mustGo(t, g, "slow", func(context.Context) error { <-release; return nil })
		stopped := make(chan error, 1)
		go func() { stopped <- g.Stop(context.Background()) }()
		synctest.Wait()
		if err := g.Go("late", untilDone); !errors.Is(err, async.ErrStopped) {
			t.Errorf("Go while stopping: %v, want ErrStopped", err)
		}
		close(release)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// Whatever Go accepts has returned when Stop returns, however the two meet.
func TestGroup_StopAwaitsAllThatWasAccepted(t *testing.T) {
	for range 200 {
		g := async.NewGroup(t.Context())
		var accepted, returned atomic.Int64
		var starters sync.WaitGroup
		for range 4 {
			starters.Go(func() {
				for {
					err := g.Go("task", func(ctx context.Context) error {
						<-ctx.Done()
						returned.Add(1)
						return nil
					})
					if err != nil {
						return
					}
					accepted.Add(1)
					runtime.Gosched()
				}
			})
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := returned.Load()
		starters.Wait()
		if accepted.Load() != after || returned.Load() != after {
			t.Fatalf("accepted %d, returned %d before the end of Stop, %d later", accepted.Load(), after, returned.Load())
		}
	}
}

func TestGroup_EndingsThatAreFailures(t *testing.T) {
	cases := []struct {
		name string
		fn   func(ctx context.Context) error
		want error // nil: no failure
		text string
	}{
		{name: "nil", fn: func(context.Context) error { return nil }},
		{name: "cancelled", fn: untilDone},
		{name: "cancelled wrapped", fn: func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("reading: %w", ctx.Err()) }},
		{name: "error", fn: func(context.Context) error { return io.ErrUnexpectedEOF }, want: io.ErrUnexpectedEOF},
		{name: "error after cancellation", fn: func(ctx context.Context) error { <-ctx.Done(); return io.ErrClosedPipe }, want: io.ErrClosedPipe},
		{name: "panic with an error", fn: func(context.Context) error { panic(io.ErrShortWrite) }, want: io.ErrShortWrite},
		{name: "exit", fn: func(context.Context) error { runtime.Goexit(); return nil }, want: async.ErrExited},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var reported []error
			g := async.NewGroup(t.Context(), async.OnFailure(func(name string, err error) {
				if name != c.name {
					t.Errorf("reported %q, want %q", name, c.name)
				}
				reported = append(reported, err)
			}))
			mustGo(t, g, c.name, c.fn)
			if err := g.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if c.want == nil {
				if len(reported) != 0 || g.Err() != nil || g.Failures() != 0 {
					t.Errorf("reported %v, Err %v, %d failures, want none", reported, g.Err(), g.Failures())
				}
				return
			}
			if len(reported) != 1 || !errors.Is(reported[0], c.want) {
				t.Errorf("reported %v, want %v", reported, c.want)
			}
			if !errors.Is(g.Err(), c.want) || !strings.Contains(g.Err().Error(), c.name) || g.Failures() != 1 {
				t.Errorf("Err %v, %d failures, want %v naming %q, 1", g.Err(), g.Failures(), c.want, c.name)
			}
		})
	}
}

func explode() { panic("boiler") }

func TestGroup_PanicBecomesAnErrorWithItsStack(t *testing.T) {
	g := async.NewGroup(t.Context())
	mustGo(t, g, "boiler room", func(context.Context) error { explode(); return nil })
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	var p *async.PanicError
	if !errors.As(g.Err(), &p) {
		t.Fatalf("Err: %v, want a PanicError", g.Err())
	}
	if p.Value != "boiler" || !strings.Contains(string(p.Stack), "explode") {
		t.Errorf("value %v, stack\n%s\nwant boiler and the function that panicked", p.Value, p.Stack)
	}
	if strings.Contains(p.Error(), "\n") {
		t.Errorf("the message has more than one line: %q", p.Error())
	}
}

func TestGroup_FirstFailureIsKeptAndAllAreReported(t *testing.T) {
	var mu sync.Mutex
	var names []string
	g := async.NewGroup(t.Context(), async.OnFailure(func(name string, _ error) {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, name)
	}))
	for i := range 3 {
		name := fmt.Sprintf("f%d", i)
		mustGo(t, g, name, func(context.Context) error { return errors.New(name + " broke") })
		if err := g.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"f0", "f1", "f2"}; !slices.Equal(names, want) || g.Failures() != 3 {
		t.Errorf("reported %v, %d failures, want %v", names, g.Failures(), want)
	}
	if !strings.Contains(g.Err().Error(), "f0 broke") {
		t.Errorf("Err: %v, want that of f0", g.Err())
	}
}

func TestGroup_PanicOfTheFailureReportIsNoted(t *testing.T) {
	g := async.NewGroup(t.Context(), async.OnFailure(func(string, error) { panic("report") }))
	mustGo(t, g, "task", func(context.Context) error { return io.EOF })
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(g.Err(), io.EOF) || g.Failures() != 2 {
		t.Errorf("Err %v, %d failures, want EOF, 2", g.Err(), g.Failures())
	}
}

func TestGroup_WaitLeavesTheGroupRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := async.NewGroup(t.Context())
		mustGo(t, g, "server", untilDone)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var survivors *async.SurvivorsError
		if err := g.Wait(ctx); !errors.As(err, &survivors) || !slices.Equal(survivors.Names, []string{"server"}) {
			t.Errorf("Wait: %v, want the server as survivor", err)
		}
		mustGo(t, g, "second", untilDone)
		if want := []string{"second", "server"}; !slices.Equal(g.List(), want) {
			t.Errorf("running %v, want %v", g.List(), want)
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if g.Len() != 0 {
			t.Errorf("%v run after Stop", g.List())
		}
	})
}

func TestGroup_ParentContextCancelsTheWork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := async.NewGroup(ctx)
	mustGo(t, g, "task", untilDone)
	cancel()
	if err := g.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSurvivorsError_MessageIsBounded(t *testing.T) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("task-%d", i)
	}
	message := (&async.SurvivorsError{Names: names, Err: context.DeadlineExceeded}).Error()
	if len(message) > 400 || !strings.Contains(message, "and 980 more") || !strings.Contains(message, "1000 goroutines") {
		t.Errorf("message %q", message)
	}
}
