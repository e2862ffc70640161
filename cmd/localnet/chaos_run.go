package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/testutil/child"
	"github.com/seed52205347/relayminer/testutil/faultnode"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

const (
	// progressEvery is the time between two lines about the progress.
	progressEvery = 5 * time.Second
	// relaysInFlight bounds the relays that are under way at once.
	relaysInFlight = 64
	// relayTimeout is how long a client waits for the answer to a relay.
	relayTimeout = 20 * time.Second
)

// chaos is a relay miner to which things happen, and its clients.
type chaos struct {
	seed         uint64
	sessions     int           // in which relays are to be answered; 0 for no limit
	duration     time.Duration // for which relays are sent at most; 0 for no limit
	rate         int           // relays sent in a second
	window       time.Duration // that claim and proof windows have at least
	backendDelay time.Duration // of the services when nothing is wrong

	network *localnet.Network
	proxy   *faultnode.Proxy
	miner   *miner
	tally   *tally
	began   time.Time

	mu       sync.Mutex
	progress io.Writer
	faults   map[faultKind]int
	outage   time.Duration // the longest
	refusals map[string]int
	problems []string
	settled  bool // every session is over
}

// run sends relays and lets things happen until every session is over. The error
// says why the run could not come to its end.
func (c *chaos) run(ctx context.Context) (err error) {
	logFile, err := os.Create(filepath.Join(c.network.Home, "relayminer.log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	c.proxy, err = faultnode.Start(faultnode.Config{RPCAddr: c.network.RPCAddr, GRPCAddr: c.network.GRPCURL})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.proxy.Close()) }()
	// A call that nobody answers must leave time for others within a window.
	if c.miner, err = newMiner(c.network, c.proxy, longestFault(c.window)/3, logFile); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.miner.stop(context.WithoutCancel(ctx))) }()
	if err := c.miner.start(ctx); err != nil {
		return err
	}
	node, err := dialNode(ctx, c.network)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	gateways, err := newGateways(ctx, c.network, node, relaysInFlight)
	if err != nil {
		return err
	}
	c.say("the chain runs at %s, the relay miner logs to %s", c.network.RPCURL, logFile.Name())
	return c.goOn(ctx, gateways)
}

// goOn runs everything that goes on at the same time, until every session is over
// or something fails.
func (c *chaos) goOn(ctx context.Context, gateways []*gateway) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	group := async.NewGroup(ctx, async.OnFailure(func(name string, err error) {
		cancel(fmt.Errorf("%s: %w", name, err))
	}))
	over := make(chan error, 1)
	for name, run := range map[string]func(context.Context) error{
		"follow the chain": func(ctx context.Context) error {
			err := c.tally.follow(ctx, c.network)
			over <- err
			return err
		},
		"send relays":   func(ctx context.Context) error { return c.send(ctx, gateways) },
		"disrupt":       c.disrupt,
		"slow down":     c.slowDown,
		"show progress": c.showProgress,
	} {
		if err := group.Go(name, run); err != nil {
			return err
		}
	}
	err := <-over // also when ctx ends
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	c.mu.Lock()
	c.settled = err == nil
	c.mu.Unlock()
	stopping, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*child.Patience)
	defer stop()
	return errors.Join(err, group.Stop(stopping))
}

// send sends relays to all suppliers for all applications in turn, until enough
// sessions with relays have ended or the time is over.
func (c *chaos) send(ctx context.Context, gateways []*gateway) error {
	defer c.tally.allSent()
	if c.duration > 0 {
		timed, cancel := context.WithTimeout(ctx, c.duration)
		defer cancel()
		return c.sendUntil(ctx, timed.Done(), gateways)
	}
	return c.sendUntil(ctx, nil, gateways)
}

func (c *chaos) sendUntil(ctx context.Context, timeout <-chan struct{}, gateways []*gateway) error {
	ticker := time.NewTicker(time.Second / time.Duration(c.rate))
	defer ticker.Stop()
	var relays errgroup.Group
	relays.SetLimit(relaysInFlight)
	for n := 0; !c.enough(); n++ {
		select {
		case <-ticker.C:
			// A relay for which there is no room is not sent.
			relays.TryGo(func() error {
				c.sendOne(ctx, gateways[n%len(gateways)], n/len(gateways))
				return nil
			})
			continue
		case <-timeout:
		case <-ctx.Done():
		}
		break
	}
	return errors.Join(relays.Wait(), ctx.Err())
}

// enough reports whether as many sessions as wanted have answered relays and the
// last of them is about to end.
func (c *chaos) enough() bool {
	sessions, lastEnd := c.tally.servedSessions()
	return c.sessions > 0 && sessions >= c.sessions && c.network.Height() >= lastEnd
}

// sendOne sends a relay to the n-th supplier of the current session. What a client
// is answered while things go wrong is for the most part a matter of luck.
func (c *chaos) sendOne(ctx context.Context, g *gateway, n int) {
	ctx, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	relay, err := g.target(ctx, n)
	if err != nil {
		return // the node does not answer, which it will
	}
	c.tally.sent(relay.Session, relay.Supplier)
	_, err = g.client.Send(ctx, relay)
	var refused *client.RefusedError
	switch {
	case err == nil:
		c.tally.served(relay.Session, relay.Supplier)
	case errors.As(err, &refused):
		g.forget(relay)
		c.refused(refused.Reason.Description)
	case errors.Is(err, client.ErrReply):
		c.problem("a relay was answered in a way that no client accepts: %v", err)
	}
}

// showProgress says every few seconds how far everything is, until ctx ends.
func (c *chaos) showProgress(ctx context.Context) error {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.say("%s", c.tally.line())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// say prints a line with the time since the beginning and the chain's height.
func (c *chaos) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.progress, "%6.1fs  block %-5d %s\n",
		time.Since(c.began).Seconds(), c.network.Height(), fmt.Sprintf(format, args...))
}

// problem notes something that must not happen.
func (c *chaos) problem(format string, args ...any) {
	c.say("problem: "+format, args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *chaos) refused(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[reason]++
}

// struck notes that a fault is over.
func (c *chaos) struck(f fault, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[f.kind]++
	if slices.Contains(outages(), f.kind) {
		c.outage = max(c.outage, took)
	}
}

// report returns what has become of everything.
func (c *chaos) report() *chaosReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.tally.chaosReport(c.settled)
	r.Seed = c.seed
	r.Faults, r.Refusals = maps.Clone(c.faults), maps.Clone(c.refusals)
	r.LongestOutage, r.Window = c.outage.Seconds(), c.window.Seconds()
	r.Seconds = time.Since(c.began).Seconds()
	r.Problems = append(c.problems, r.Problems...)
	if answered := r.state(stateAnswered).Sessions; c.settled && answered < max(c.sessions, 1) {
		r.Problems = append(r.Problems, fmt.Sprintf("relays were answered in %d sessions, want %d", answered, max(c.sessions, 1)))
	}
	return r
}
