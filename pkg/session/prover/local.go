package prover

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed52205347/relayminer/pkg/async"
)

// local is a prover on this machine, for one job at a time.
type local struct {
	prove Func

	mu      sync.Mutex
	current *localJob // nil when idle
}

// localJob is a job that was started.
type localJob struct {
	id     string
	job    Job
	cancel context.CancelFunc // nil until its result is waited for
}

// NewLocal returns a prover that builds proofs by prove, one at a time, on the
// goroutine that waits for the result. It fails with ErrConfig if prove is nil.
func NewLocal(prove Func) (Prover, error) {
	if prove == nil {
		return nil, fmt.Errorf("%w: local prover without a function", ErrConfig)
	}
	return &local{prove: prove}, nil
}

// Ready implements Prover.
func (l *local) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		return ErrBusy
	}
	return nil
}

// Start implements Prover.
func (l *local) Start(_ context.Context, id string, job Job) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		return ErrBusy
	}
	l.current = &localJob{id: id, job: job}
	return nil
}

// Result implements Prover. A panic of the function is a failure.
func (l *local) Result(ctx context.Context, id string) (proof []byte, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	work := l.current
	if work == nil || work.id != id || work.cancel != nil {
		l.mu.Unlock()
		return nil, ErrUnknownJob
	}
	work.cancel = cancel
	l.mu.Unlock()
	defer l.forget(work)
	defer func() {
		if value := recover(); value != nil {
			proof, err = nil, fmt.Errorf("%w: %w", ErrFailed, async.NewPanicError(value))
		}
	}()
	if proof, err = l.prove(ctx, work.job); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return proof, nil
}

func (l *local) forget(work *localJob) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == work {
		l.current = nil
	}
}

// Cancel implements Prover. A job whose result is waited for occupies the prover
// until its function has returned.
func (l *local) Cancel(_ context.Context, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch work := l.current; {
	case work == nil || work.id != id:
	case work.cancel == nil:
		l.current = nil
	default:
		work.cancel()
	}
	return nil
}
