package prover

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// ErrReleased is returned by Prove of a lease that was used or released before.
var ErrReleased = errors.New("prover was given back")

// errSlow is the failure of a prover that took too long.
var errSlow = errors.New("prover took too long")

// cancelTime is how long a prover may take to be told that a job is given up.
const cancelTime = 200 * time.Millisecond

// Lease is the right to have one proof built. It must not be used concurrently.
type Lease struct {
	pool   *Pool
	member *member // nil when it was used or released
}

// Release gives the prover back if it was not used.
func (l *Lease) Release() {
	l.pool.putBack(l.member)
	l.member = nil
}

// Prove has the proof of a job built and verified, by the prover that was acquired or,
// should that fail, by others. The lease is used up by it.
//
// It fails with the cause of ctx's end, ErrStopped, ErrReleased, ErrLeaves, and with
// what all provers have failed with: errors that wrap ErrFailed, ErrWrongProof,
// ErrAnswer, ErrOversize or that of a connection. When ctx ends, it does not wait for
// the prover, which stays busy until it has come back.
func (l *Lease) Prove(ctx context.Context, job Job) ([]byte, error) {
	m := l.member
	l.member = nil
	if m == nil {
		return nil, ErrReleased
	}
	tried := make(map[*member]bool)
	var failures []error
	for {
		proof, err := l.pool.attempt(ctx, m, job)
		switch {
		case err == nil:
			return proof, nil
		case ctx.Err() != nil || errors.Is(err, ErrStopped) || errors.Is(err, ErrLeaves):
			return nil, err
		}
		failures = append(failures, fmt.Errorf("prover %s: %w", m.ID, err))
		tried[m] = true
		if m, err = l.pool.acquire(ctx, tried); err != nil {
			return nil, fmt.Errorf("proof of session %s: %w", job.Session, errors.Join(append(failures, err)...))
		}
	}
}

// outcome is how an attempt has ended.
type outcome struct {
	proof []byte
	err   error
}

// attempt lets a prover work on a job. The prover comes back when it is through with
// that, which may be later than attempt returns.
func (p *Pool) attempt(ctx context.Context, m *member, job Job) ([]byte, error) {
	ended := make(chan outcome, 1)
	err := p.group.Go("prove "+job.Session+" on "+m.ID, func(group context.Context) error {
		working, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(group, func() { cancel(ErrStopped) })()
		p.run(working, m, job, ended)
		return nil
	})
	if err != nil {
		p.putBack(m)
		return nil, fmt.Errorf("%w: %w", ErrStopped, err)
	}
	select {
	case o := <-ended:
		return o.proof, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run works on a job and brings the prover back, whatever happens.
func (p *Pool) run(ctx context.Context, m *member, job Job, ended chan<- outcome) {
	p.mu.Lock()
	m.session = job.Session
	p.mu.Unlock()
	began := time.Now()
	o := outcome{err: async.ErrExited}
	defer func() {
		if value := recover(); value != nil {
			o = outcome{err: fmt.Errorf("%w: %w", ErrFailed, async.NewPanicError(value))}
		}
		took := time.Since(began)
		switch {
		case o.err == nil:
			p.comeBack(m, func() { m.succeeded(took) })
		case ctx.Err() != nil || errors.Is(o.err, ErrLeaves): // not the prover's fault
			p.putBack(m)
			o.err = errors.Join(context.Cause(ctx), o.err)
		default:
			p.blame(m, o.err, job.Session)
		}
		ended <- o
	}()
	o.proof, o.err = p.build(ctx, m, job)
}

// build has a proof built by one prover, and verifies it.
func (p *Pool) build(ctx context.Context, m *member, job Job) ([]byte, error) {
	if !m.Local {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.config.JobTime, errSlow)
		defer cancel()
	}
	id := rand.Text()
	proof, err := startAndAwait(ctx, m.Prover, id, job)
	if err != nil {
		p.giveUp(ctx, m, id)
		if errors.Is(context.Cause(ctx), errSlow) {
			return nil, fmt.Errorf("%w: %w", errSlow, err)
		}
		return nil, err
	}
	if err := p.config.Verify(job, proof); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrongProof, err)
	}
	return proof, nil
}

func startAndAwait(ctx context.Context, prover Prover, id string, job Job) ([]byte, error) {
	if err := prover.Start(ctx, id, job); err != nil {
		return nil, err
	}
	return prover.Result(ctx, id)
}

// giveUp tells a prover that nobody waits for a job any more. That it cannot be told
// changes nothing: it forgets results by itself.
func (p *Pool) giveUp(ctx context.Context, m *member, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer cancel()
	if err := m.Prover.Cancel(ctx, id); err != nil {
		p.config.Log.Debug("prover could not be told to give up", "prover", m.ID, "error", err)
	}
}
