package prover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// Config is what a pool is made of. Times that are zero take the default named.
type Config struct {
	// Members are the provers, the one to be used first first: of those that are
	// idle the earliest gets a job. One at least is local.
	Members []Member
	// Verify checks a proof against the root and the path of its job. It is called
	// for every proof, and may be called concurrently.
	Verify func(job Job, proof []byte) error
	// Log gets a warning for each failure of a prover.
	Log *slog.Logger

	// JobTime is how long a prover that is not local may take for a job. Default 20
	// seconds, which is less than a block.
	JobTime time.Duration
	// ReadyTime is how long such a prover may take to say that it is ready. Default 2
	// seconds.
	ReadyTime time.Duration
	// FirstCooling is how long a prover is left alone that was busy or has failed
	// once. It is doubled for each failure in a row up to LongestCooling. Defaults 1
	// second and 1 minute.
	FirstCooling, LongestCooling time.Duration
}

// remoteTries is the number of provers that are not local which a job is given to
// before only local ones are: windows have few blocks.
const remoteTries = 2

// errNoMore says that there is no prover left for a job.
var errNoMore = errors.New("no other prover is left")

// Pool builds proofs on its provers. Its methods may be called concurrently.
type Pool struct {
	config  Config
	group   *async.Group
	stopped chan struct{} // closed by Stop
	stop    func()        // closes it once

	mu      sync.Mutex
	members []*member
	changed chan struct{} // closed when a prover has come back, then replaced
}

// NewPool returns a pool, which its owner has to stop. It fails with ErrConfig: for
// members of the same or no name or without prover, if none is local, and if there is
// no verification or log.
func NewPool(config Config) (*Pool, error) {
	if config.Verify == nil || config.Log == nil {
		return nil, fmt.Errorf("%w: pool without verification or log", ErrConfig)
	}
	for value, standard := range map[*time.Duration]time.Duration{
		&config.JobTime:        20 * time.Second,
		&config.ReadyTime:      2 * time.Second,
		&config.FirstCooling:   time.Second,
		&config.LongestCooling: time.Minute,
	} {
		if *value <= 0 {
			*value = standard
		}
	}
	p := &Pool{
		config:  config,
		stopped: make(chan struct{}),
		changed: make(chan struct{}),
		group: async.NewGroup(context.Background(), async.OnFailure(func(name string, err error) {
			config.Log.Error("prover's goroutine failed", "work", name, "error", err)
		})),
	}
	p.stop = sync.OnceFunc(func() { close(p.stopped) })
	return p, p.addMembers(config.Members)
}

func (p *Pool) addMembers(members []Member) error {
	names, locals := make(map[string]bool), 0
	for _, m := range members {
		if m.ID == "" || m.Prover == nil || names[m.ID] {
			return fmt.Errorf("%w: prover %q has no name of its own, or is none", ErrConfig, m.ID)
		}
		names[m.ID] = true
		if m.Local {
			locals++
		}
		p.members = append(p.members, &member{Member: m})
	}
	if locals == 0 {
		return fmt.Errorf("%w: pool without local prover", ErrConfig)
	}
	return nil
}

// Stop cancels all work and waits until the provers were told and all goroutines have
// ended. Each prover is given 200 ms to be told. If ctx ends first, the error is the
// *async.SurvivorsError that names what still runs.
func (p *Pool) Stop(ctx context.Context) error {
	p.stop()
	return p.group.Stop(ctx)
}

// Stats returns how each prover is doing, in the order in which they are used.
func (p *Pool) Stats() []Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Stats
	for _, m := range p.members {
		all = append(all, m.stats(time.Now()))
	}
	return all
}

// Acquire waits for a prover that is idle and ready. It is to be called before what
// the job needs is prepared. The lease has to be used or released. It fails with the
// cause of ctx's end and with ErrStopped.
func (p *Pool) Acquire(ctx context.Context) (*Lease, error) {
	m, err := p.acquire(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &Lease{pool: p, member: m}, nil
}

// acquire waits for a prover that is not among tried, and fails with errNoMore if all
// others cool off.
func (p *Pool) acquire(ctx context.Context, tried map[*member]bool) (*member, error) {
	for {
		chosen, err := p.choose(tried)
		switch {
		case ctx.Err() != nil || err != nil:
			p.putBack(chosen.member)
			return nil, errors.Join(context.Cause(ctx), err)
		case chosen.member == nil:
			p.await(ctx, chosen)
		case chosen.member.Local:
			return chosen.member, nil
		default:
			if p.isReady(ctx, chosen.member) {
				return chosen.member, nil
			}
		}
	}
}

// choice is a prover, or what to wait for until there may be one.
type choice struct {
	member  *member // marked as busy
	changed <-chan struct{}
	warm    time.Duration // until the first prover that cools off has done so, 0 if there is none
}

// choose picks the first prover that is idle and usable.
func (p *Pool) choose(tried map[*member]bool) (choice, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stopped:
		return choice{}, ErrStopped
	default:
	}
	now, hope := time.Now(), false
	next := choice{changed: p.changed}
	for _, m := range p.members {
		cooling := m.cooling(now)
		switch {
		case tried[m] || !m.Local && remotes(tried) >= remoteTries:
		case m.busy:
			hope = true
		case cooling > 0:
			if next.warm == 0 || cooling < next.warm {
				next.warm = cooling
			}
		default:
			m.busy = true
			next.member = m
			return next, nil
		}
	}
	if !hope {
		return choice{}, errNoMore
	}
	return next, nil
}

// remotes counts the provers that are not local.
func remotes(tried map[*member]bool) (n int) {
	for m := range tried {
		if !m.Local {
			n++
		}
	}
	return n
}

// await waits until a choice may have another result.
func (p *Pool) await(ctx context.Context, c choice) {
	var warm <-chan time.Time
	if c.warm > 0 {
		timer := time.NewTimer(c.warm)
		defer timer.Stop()
		warm = timer.C
	}
	select {
	case <-c.changed:
	case <-warm:
	case <-p.stopped:
	case <-ctx.Done():
	}
}

// isReady asks a prover whether it is ready, and puts it back if it is not.
func (p *Pool) isReady(ctx context.Context, m *member) bool {
	asking, cancel := context.WithTimeout(ctx, p.config.ReadyTime)
	defer cancel()
	err := m.Prover.Ready(asking)
	switch {
	case err == nil && ctx.Err() == nil:
		return true
	case ctx.Err() != nil:
		p.putBack(m)
	default:
		p.blame(m, err, "")
	}
	return false
}

// putBack makes a prover idle.
func (p *Pool) putBack(m *member) {
	if m != nil {
		p.comeBack(m, func() {})
	}
}

// blame makes a prover idle after a pause.
func (p *Pool) blame(m *member, err error, session string) {
	p.config.Log.Warn("prover failed", "prover", m.ID, "session", session, "error", err)
	p.comeBack(m, func() { m.blame(err, time.Now(), p.config.FirstCooling, p.config.LongestCooling) })
}

// comeBack ends the work of a prover after note was run under the lock.
func (p *Pool) comeBack(m *member, note func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	note()
	m.busy, m.session = false, ""
	close(p.changed)
	p.changed = make(chan struct{})
}
