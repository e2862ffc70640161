package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/async"
)

// maxLag is how many blocks a server may be behind the highest height known
// before another is preferred to it. Nodes of one network differ by one or two in
// the moment of a new block.
const maxLag = 2

// standing is what is known of a server. Higher is better.
type standing int

const (
	unchecked standing = iota // has never said which chain it is on: not used
	barred                    // is on another chain: not used
	down                      // on the right chain once, gave no answer since
	up                        // on the right chain, answers
)

// server is one address of a node.
type server struct {
	name string           // address without its password
	grpc *grpc.ClientConn // nil for an RPC server
	rpc  cometClient      // zero for a gRPC server
	// wake asks for a look at the server now. It holds one request and is never
	// closed.
	wake chan struct{}

	// Guarded by the lock of the pool.
	standing standing
	foreign  bool  // shows another history; barred for good
	lagging  bool  // was more than maxLag behind when last heard of
	height   int64 // highest named, 0 if none
	err      error // why it is not up
}

// rank orders the servers by how much is to be expected of them.
func (s *server) rank() rank {
	switch {
	case s.standing < down:
		return never
	case s.standing == down:
		return lastResort
	case s.lagging:
		return late
	default:
		return well
	}
}

type rank int

const (
	never      rank = iota // must not be used
	lastResort             // gave no answer, but might now
	late                   // lags
	well
)

// pool is the servers of one kind, of which one is present: the one that calls go
// to. It stays so until it fails or lags and there is a better one; that another
// is named before it is no reason to change.
//
// When all are down the present one stays, as good a last resort as any. A pool of
// one has no choice: its server is present whatever befalls it.
type pool struct {
	kind    string // for logs
	log     *slog.Logger
	servers []*server // as configured, the preferred first; not empty

	// answered is the height of the newest state that an answer came from. Only
	// gRPC tells it.
	answered atomic.Int64

	mu        sync.Mutex
	begun     bool // a first server was chosen; what comes after is a failover
	present   int
	failovers uint64
	tenure    context.Context // done when another server becomes present
	endTenure context.CancelFunc
}

func newPool(kind string, log *slog.Logger, servers []*server) *pool {
	p := &pool{kind: kind, log: log, servers: servers}
	p.tenure, p.endTenure = context.WithCancel(context.Background())
	return p
}

// several reports whether there is a choice.
func (p *pool) several() bool { return len(p.servers) > 1 }

// current returns the present server, and a context that is done when it is no
// longer. The error says why no server may be used; it wraps ErrWrongChainID or
// ErrChainRegressed.
func (p *pool) current() (*server, context.Context, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.servers[p.present]
	if p.several() && s.rank() == never {
		return nil, nil, fmt.Errorf("no %s node can be used: %w", p.kind, p.reasons())
	}
	return s, p.tenure, nil
}

// reasons joins why servers are not up. Needs the lock.
func (p *pool) reasons() error {
	var reasons []error
	for _, s := range p.servers {
		if s.err != nil {
			reasons = append(reasons, s.err)
		}
	}
	return errors.Join(reasons...)
}

// failed notes that a server gave no answer, and reports whether another that is
// up is present.
func (p *pool) failed(s *server, err error) (another bool) {
	if !p.several() {
		return false
	}
	return p.change(err, func() {
		if s.standing == up {
			s.standing, s.err = down, err
			s.look()
		}
	}) != s
}

// saw notes the height that a server has answered from, when best was the highest
// known before it was asked. 0 means that it does not tell.
func (p *pool) saw(s *server, height, best int64) {
	if !p.several() || height <= 0 {
		return
	}
	p.change(nil, func() {
		s.height = max(s.height, height)
		s.lagging = height < best-maxLag
	})
}

// errBehind says that an answer came from an older state than one before it.
var errBehind = errors.New("answer from an older state than before")

// order notes that an answer came from the state at height, 0 if unknown. The
// error wraps errBehind if that is below newest, the height that answers had come
// from before it was asked for: a claim that another server has shown is not
// absent because this one does not have it yet. A single server is believed, but not
// that something is absent: behind its address there can be several nodes.
func (p *pool) order(height, newest int64, answer error) error {
	if height == 0 {
		return nil
	}
	absent := status.Code(answer) == codes.NotFound
	if height < newest && (absent || p.several()) {
		return fmt.Errorf("%w: %d after %d", errBehind, height, newest)
	}
	raise(&p.answered, height)
	return nil
}

// bar excludes a server that shows another history, for good.
func (p *pool) bar(s *server, err error) {
	if !p.several() || s == nil {
		return
	}
	fresh := false
	p.change(err, func() {
		fresh = !s.foreign
		s.standing, s.foreign, s.err = barred, true, err
	})
	if fresh {
		p.log.Error("node shows another history and is not used any more", "kind", p.kind, "node", s.name, "error", err)
	}
}

// judge notes what a look at a server has shown: its height, or why it is not up.
func (p *pool) judge(s *server, height, best int64, err error) {
	var was, is standing
	first := false
	p.change(err, func() {
		was, first = s.standing, s.err == nil
		s.judge(height, best, err)
		is = s.standing
	})
	switch {
	case is == barred && was != barred:
		p.log.Error("node is on another chain and is not used", "kind", p.kind, "node", s.name, "error", err)
	case is == down && was == up:
		p.log.Warn("node does not answer", "kind", p.kind, "node", s.name, "error", err)
	case is == unchecked && first && p.several():
		p.log.Warn("node does not answer and is not used before it does", "kind", p.kind, "node", s.name, "error", err)
	case is == up && was != up && p.several():
		p.log.Info("node can be used", "kind", p.kind, "node", s.name, "height", height)
	}
}

// judge is that of the pool, under its lock.
func (s *server) judge(height, best int64, err error) {
	if s.foreign {
		return
	}
	s.err = err
	switch {
	case err == nil:
		s.standing, s.height, s.lagging = up, max(s.height, height), height > 0 && height < best-maxLag
	case errors.Is(err, ErrWrongChainID):
		s.standing = barred
	case s.standing == up:
		s.standing = down
	}
}

// change applies what is new about a server under the lock, lets the best server
// be present, and returns it. The one that is present stays when none is better;
// else the next in order takes its place.
func (p *pool) change(cause error, apply func()) *server {
	p.mu.Lock()
	apply()
	from, best := p.servers[p.present], p.present
	for i := 1; i < len(p.servers); i++ {
		next := (p.present + i) % len(p.servers)
		if p.servers[next].rank() > p.servers[best].rank() {
			best = next
		}
	}
	to, moved := p.servers[best], best != p.present
	begun := p.begun
	if moved {
		p.present = best
		p.endTenure()
		p.tenure, p.endTenure = context.WithCancel(context.Background())
		if begun {
			p.failovers++
		}
	}
	lagging := from.lagging
	p.mu.Unlock()
	if moved && begun {
		p.log.Warn("another node is used from now on", "kind", p.kind, "from", from.name, "to", to.name,
			"lagging", lagging, "error", cause)
	}
	return to
}

// look asks for a look at the server now instead of at its next time.
func (s *server) look() {
	select {
	case s.wake <- struct{}{}:
	default: // asked for already
	}
}

// call tries servers until one answers, all attempts are used up or ctx is done,
// and returns the last that was tried, nil if none may be used. each bounds one
// attempt; unanswered tells a failure from an answer. A server that fails while
// another is up costs neither a pause nor an attempt.
func (p *pool) call(
	ctx context.Context, each time.Duration, unanswered func(error) bool, call func(context.Context, *server) error,
) (*server, error) {
	pause := firstPause
	changes := 0
	for i := 1; ; i++ {
		s, _, err := p.current()
		if err != nil {
			return nil, err
		}
		err = attempt(ctx, each, func(ctx context.Context) error { return call(ctx, s) })
		if err == nil || outOfPatience(ctx) || !unanswered(err) {
			return s, err
		}
		// One that is behind has answered, and may do better in a moment. So may one
		// that is in the middle of a commit.
		stays := errors.Is(err, errBehind) || i == 1 && changes == 0 && Unready(err)
		if !stays && p.failed(s, err) && changes < len(p.servers) {
			changes++
			i--
			continue
		}
		if i == maxAttempts || !async.Sleep(ctx, pause) {
			return s, err
		}
		pause = min(pause*pauseMultiple, maxPause)
	}
}

// PoolStats is what is known of the servers of one kind.
type PoolStats struct {
	// Endpoint is the address in use, without its password.
	Endpoint string
	// Failovers counts how often another address was chosen since Dial.
	Failovers uint64
	// Usable is how many of the Known addresses answer, are on the right chain and
	// do not lag. The single address of a kind counts as usable.
	Usable, Known int
}

func (p *pool) stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := PoolStats{Endpoint: p.servers[p.present].name, Failovers: p.failovers, Known: len(p.servers)}
	for _, s := range p.servers {
		if s.rank() == well {
			stats.Usable++
		}
	}
	return stats
}

// outOfPatience reports whether the caller has gone. The server keeps the caller's
// deadline too, and its word can arrive just before the timer here fires.
func outOfPatience(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() != nil || (bounded && time.Until(deadline) < 10*time.Millisecond)
}
