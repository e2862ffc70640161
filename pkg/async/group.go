package async

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ErrStopped is wrapped by the error of starting a goroutine in a group that
// was stopped.
var ErrStopped = errors.New("group is stopped")

// ErrExited is the failure of a function that called runtime.Goexit instead of
// returning.
var ErrExited = errors.New("goroutine exited without returning")

// Option changes a Group while it is made.
type Option func(*Group)

// OnFailure makes the group call report for each goroutine that failed: that
// returned an error or panicked. To return the error of the group's context
// after that was cancelled is not a failure.
//
// report runs on the goroutine that failed, so that several calls can run at
// once, and the goroutine counts as running until report returns: it must not
// wait for the group. A panic of report is noted as a failure of its own.
// Without report, or with nil, failures are kept for Err only.
func OnFailure(report func(name string, err error)) Option {
	return func(g *Group) {
		if report != nil {
			g.onFailure = report
		}
	}
}

// Group keeps track of goroutines. Its methods may be called concurrently.
type Group struct {
	ctx       context.Context
	cancel    context.CancelFunc
	onFailure func(name string, err error)

	mu       sync.Mutex
	stopped  bool
	running  map[*task]struct{}
	idle     chan struct{} // closed when running becomes empty, then replaced
	first    error
	failures int
}

// task is one goroutine of a group.
type task struct {
	name string
}

// NewGroup returns an empty group whose goroutines are given a context derived
// from ctx. The owner calls Stop when done with the group; cancelling ctx
// cancels the work but neither awaits it nor refuses more.
func NewGroup(ctx context.Context, opts ...Option) *Group {
	g := &Group{
		onFailure: func(string, error) {},
		running:   make(map[*task]struct{}),
		idle:      make(chan struct{}),
	}
	g.ctx, g.cancel = context.WithCancel(ctx)
	for _, opt := range opts {
		opt(g)
	}
	return g
}

// Go runs fn on a new goroutine. fn should return soon after its context is
// done. The name is for the operator and need not be unique. The error wraps
// ErrStopped when the group was stopped; fn is not run then.
func (g *Group) Go(name string, fn func(ctx context.Context) error) error {
	t := &task{name: name}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return fmt.Errorf("start goroutine %q: %w", name, ErrStopped)
	}
	g.running[t] = struct{}{}
	go g.run(t, fn)
	return nil
}

// run is the goroutine. What follows fn is deferred, because fn may end the
// goroutine by runtime.Goexit.
func (g *Group) run(t *task, fn func(ctx context.Context) error) {
	defer g.finish(t)
	err := ErrExited
	defer func() { g.settle(t.name, err) }()
	err = protect(g.ctx, fn)
}

// protect runs fn and makes an error of its panic.
func protect(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = NewPanicError(value)
		}
	}()
	return fn(ctx)
}

// settle notes and reports how a goroutine ended.
func (g *Group) settle(name string, err error) {
	if ended := g.ctx.Err(); err == nil || (ended != nil && errors.Is(err, ended)) {
		return
	}
	g.note(name, err)
	defer func() {
		if value := recover(); value != nil {
			g.note("failure report of "+name, NewPanicError(value))
		}
	}()
	g.onFailure(name, err)
}

func (g *Group) note(name string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures++
	if g.first == nil {
		g.first = fmt.Errorf("goroutine %q: %w", name, err)
	}
}

func (g *Group) finish(t *task) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.running, t)
	if len(g.running) == 0 {
		close(g.idle)
		g.idle = make(chan struct{})
	}
}

// Stop refuses new goroutines, cancels the context of those that run and waits
// for them. If ctx ends first the error is a *SurvivorsError, which wraps
// ctx.Err and names the goroutines that still run. Stop may be called again to
// go on waiting. Failures of goroutines are not part of its error; see Err.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	g.cancel()
	return g.Wait(ctx)
}

// Wait waits until no goroutine of the group runs, without stopping any. The
// error is the same as that of Stop.
func (g *Group) Wait(ctx context.Context) error {
	g.mu.Lock()
	idle, n := g.idle, len(g.running)
	g.mu.Unlock()
	if n == 0 {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	names := g.List()
	if len(names) == 0 {
		return nil
	}
	return &SurvivorsError{Names: names, Err: ctx.Err()}
}

// Err returns the first failure, wrapped with the goroutine's name, or nil.
func (g *Group) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.first
}

// Failures returns how many goroutines have failed. Only the first failure is
// kept; OnFailure sees all of them.
func (g *Group) Failures() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failures
}

// List returns the names of the goroutines that run, sorted.
func (g *Group) List() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := make([]string, 0, len(g.running))
	for t := range g.running {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}

// Len returns how many goroutines run.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.running)
}

// SurvivorsError says which goroutines still ran when the time to wait for them
// was over.
type SurvivorsError struct {
	Names []string // sorted, one per goroutine
	Err   error    // why the wait ended: the error of its context
}

// survivorsShown bounds the names in the message of a SurvivorsError.
const survivorsShown = 20

// Error names the survivors, the first twenty of them if there are more.
func (e *SurvivorsError) Error() string {
	shown := e.Names[:min(len(e.Names), survivorsShown)]
	more := ""
	if n := len(e.Names) - len(shown); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%d goroutines still run (%s%s): %v", len(e.Names), strings.Join(shown, ", "), more, e.Err)
}

// Unwrap returns Err.
func (e *SurvivorsError) Unwrap() error { return e.Err }
