package observable_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/observable"
)

// patience bounds waits for what must happen. It is never waited out when a
// test passes.
const patience = 20 * time.Second

var errBad = errors.New("bad item")

// leavesNothing fails the test if it ends with more goroutines than it began.
func leavesNothing(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// await waits for ch to be closed or to deliver.
func await[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// list collects values from several goroutines.
type list[T any] struct {
	mu sync.Mutex
	vs []T
}

func (l *list[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vs = append(l.vs, v)
}

func (l *list[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.vs)
}

// sink ends a pipeline in a list.
func sink[T any](in observable.Observable[T], opts ...observable.Option) (*list[T], <-chan struct{}) {
	l := new(list[T])
	done := observable.ForEach(in, func(_ context.Context, v T) error {
		l.add(v)
		return nil
	}, opts...)
	return l, done
}

// drained waits for done and returns what l holds.
func drained[T any](t *testing.T, l *list[T], done <-chan struct{}) []T {
	t.Helper()
	await(t, "the end of the pipeline", done)
	return l.all()
}

// publish fails the test if a value is refused.
func publish[T any](t *testing.T, to interface {
	Publish(context.Context, T) error
}, vs ...T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, v := range vs {
		if err := to.Publish(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
}

// numbers returns from, from+1, ..., to-1.
func numbers(from, to int) []int {
	vs := make([]int, 0, to-from)
	for v := from; v < to; v++ {
		vs = append(vs, v)
	}
	return vs
}

// report is one call of an error handler.
type report struct {
	name string
	item any
	err  error
}

// reports collects the calls of an error handler.
func reports() (*list[report], observable.Option) {
	l := new(list[report])
	return l, observable.WithErrorHandler(func(name string, item any, err error) {
		l.add(report{name, item, err})
	})
}

func identity[T any](_ context.Context, v T) (T, error) { return v, nil }
