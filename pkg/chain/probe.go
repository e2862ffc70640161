package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/seed52205347/relayminer/pkg/async"
)

const (
	// DefaultProbeInterval is the time between two looks at a server that is up.
	DefaultProbeInterval = 5 * time.Second
	// maxProbePause bounds the pause before the next look at one that is not.
	maxProbePause = 10 * time.Second
	// firstProbePart is the part of the interval after which a server that has just
	// failed is looked at again.
	firstProbePart = 5
)

// establish looks at all servers until each kind has one that can be used. The
// error wraps ErrWrongChainID if all of a kind are on another chain, or else
// ErrUnreachable.
func (n *Node) establish(ctx context.Context) error {
	pause := firstPause
	for i := 1; ; i++ {
		n.lookAtAll(ctx)
		var missing []error
		hopeless := false
		for _, p := range n.pools() {
			if err := p.missing(); err != nil {
				missing = append(missing, fmt.Errorf("%s: %w", p.kind, err))
				hopeless = hopeless || errors.Is(err, ErrWrongChainID)
			}
		}
		if len(missing) == 0 {
			for _, p := range n.pools() {
				p.begin()
			}
			return nil
		}
		if hopeless || i == maxAttempts || !async.Sleep(ctx, pause) {
			return errors.Join(missing...)
		}
		pause = min(pause*pauseMultiple, maxPause)
	}
}

// lookAtAll looks at all servers that are not up, at the same time, and then
// judges their heights by the highest.
func (n *Node) lookAtAll(ctx context.Context) {
	var looks sync.WaitGroup
	for _, p := range n.pools() {
		for _, s := range p.servers {
			if p.standingOf(s) != up {
				looks.Go(func() { n.lookAt(ctx, p, s) })
			}
		}
	}
	looks.Wait()
	best := n.seen.Load()
	for _, p := range n.pools() {
		for _, s := range p.servers {
			p.saw(s, p.heightOf(s), best)
		}
	}
}

// begin makes the first of the best servers present, before any was used.
func (p *pool) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.present = 0
	for i, s := range p.servers {
		if s.rank() > p.servers[p.present].rank() {
			p.present = i
		}
	}
	p.begun = true
}

func (p *pool) standingOf(s *server) standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.standing
}

func (p *pool) heightOf(s *server) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.height
}

// missing returns nil if a server is up. The error wraps ErrWrongChainID only if
// all are on another chain.
func (p *pool) missing() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var silent, wrong []error
	for _, s := range p.servers {
		switch {
		case s.standing == up:
			return nil
		case s.standing == barred:
			wrong = append(wrong, s.err)
		case s.err != nil:
			silent = append(silent, s.err)
		}
	}
	if len(silent) > 0 {
		return errors.Join(silent...)
	}
	return errors.Join(wrong...)
}

// watch looks at a server again and again until the node is closed. It is how one
// that failed comes back, and how one that lags is found out.
func (n *Node) watch(ctx context.Context, p *pool, s *server) error {
	pause := n.probe
	for {
		timer, woken := time.NewTimer(pause), false
		select {
		case <-timer.C:
		case <-s.wake:
			timer.Stop()
			woken = true
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		was := p.standingOf(s)
		if s.done(p) {
			return nil
		}
		n.lookAt(ctx, p, s)
		switch is := p.standingOf(s); {
		case is == up:
			pause = n.probe
		case woken || was == up: // it has just failed
			pause = n.probe / firstProbePart
		default:
			pause = min(2*pause, max(maxProbePause, n.probe))
		}
	}
}

// done reports whether the server will never be used again.
func (s *server) done(p *pool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.foreign
}

// lookAt asks a server once for its chain and its height.
func (n *Node) lookAt(ctx context.Context, p *pool, s *server) {
	best := n.seen.Load()
	var height int64
	look := func(ctx context.Context) (err error) {
		height, err = n.inspect(ctx, p, s)
		return err
	}
	err := attempt(ctx, n.timeout, look)
	if Unready(err) && async.Sleep(ctx, firstPause) {
		err = attempt(ctx, n.timeout, look)
	}
	if err != nil && n.base.Err() != nil {
		return // the node is being closed, which says nothing about the server
	}
	if err == nil {
		n.note(height)
	}
	p.judge(s, height, best, err)
}

// inspect makes sure of a server's chain and returns the height of the state that
// it answers from, 0 if it does not tell or there is none to compare it with. The error
// wraps ErrWrongChainID or ErrUnreachable.
func (n *Node) inspect(ctx context.Context, p *pool, s *server) (int64, error) {
	if s.grpc != nil {
		return n.inspectGRPC(ctx, s)
	}
	status, err := s.rpc.Status(ctx)
	if err != nil {
		return 0, fmt.Errorf("status: %w: rpc %s: %w", ErrUnreachable, s.name, err)
	}
	if err := n.checkChainID(s.name, status.NodeInfo.Network); err != nil {
		return 0, err
	}
	if !p.several() {
		return 0, nil
	}
	// The height in the status is that of the block store, which is ahead of the
	// application while a block is executed.
	info, err := s.rpc.ABCIInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("abci info: %w: rpc %s: %w", ErrUnreachable, s.name, err)
	}
	return info.Response.LastBlockHeight, nil
}

func (n *Node) inspectGRPC(ctx context.Context, s *server) (int64, error) {
	var header metadata.MD
	info, err := cmtservice.NewServiceClient(s.grpc).GetNodeInfo(ctx, &cmtservice.GetNodeInfoRequest{}, grpc.Header(&header))
	if err != nil {
		return 0, fmt.Errorf("node info: %w: grpc %s: %w", ErrUnreachable, s.name, err)
	}
	if err := n.checkChainID(s.name, info.GetDefaultNodeInfo().GetNetwork()); err != nil {
		return 0, err
	}
	return heightOf(header), nil
}
