package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/testutil/child"
	"github.com/seed52205347/relayminer/testutil/faultnode"
)

// broadcastMethod is what a relay miner sends its transactions with.
const broadcastMethod = "broadcast_tx_sync"

// disrupt has one fault after the other keep claims and proofs from the chain,
// with at least as much calm after each as it took, until ctx ends.
func (c *chaos) disrupt(ctx context.Context) error {
	return c.follow(ctx, newSchedule(c.seed, 0, outages(), longestFault(c.window)), c.watch, c.strike)
}

// slowDown slows the relay miner down, in the same manner.
func (c *chaos) slowDown(ctx context.Context) error {
	return c.follow(ctx, newSchedule(c.seed, 1, slownesses(), longestFault(c.window)), pause, c.slow)
}

// follow carries a schedule out.
func (c *chaos) follow(
	ctx context.Context,
	s *schedule,
	rest func(context.Context, time.Duration) error,
	strike func(context.Context, fault) error,
) error {
	calm := s.longest
	for {
		if err := rest(ctx, calm); err != nil {
			return err
		}
		f := s.next()
		c.say("fault: %s", f)
		began := time.Now()
		err := strike(ctx, f)
		took := time.Since(began)
		if err != nil {
			return err
		}
		c.say("over:  %s after %s", f.kind, took.Round(time.Millisecond))
		c.struck(f, took)
		calm = max(f.calm, took)
	}
}

// pause returns when the time is over, or with the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	if !async.Sleep(ctx, d) {
		return ctx.Err()
	}
	return nil
}

// watch is a pause in which the relay miner is started again if it ends, which is
// a defect of it.
func (c *chaos) watch(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		process := c.miner.current()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-process.Ended():
			c.problem("the relay miner ended by itself: %s", process.End())
			if err := c.revive(ctx); err != nil {
				return err
			}
		}
	}
}

// revivals is how often the relay miner is started until it serves.
const revivals = 5

// revive starts the relay miner. That it does not begin to serve at once, though
// the node is there, is a defect of it.
func (c *chaos) revive(ctx context.Context) error {
	var err error
	for range revivals {
		if err = c.miner.start(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		c.problem("the relay miner does not start: %v", err)
		if !errors.Is(err, child.ErrEnded) {
			return err
		}
	}
	return err
}

// strike does what the fault says, and undoes it when it has lasted.
func (c *chaos) strike(ctx context.Context, f fault) error {
	switch f.kind {
	case killMiner:
		return c.kill(ctx, f)
	case restartNode:
		return c.restart(ctx, f)
	case refuseNode:
		c.proxy.RPC.Refuse()
		c.proxy.GRPC.Refuse()
		err := c.watch(ctx, f.lasting)
		return errors.Join(err, c.proxy.RPC.Admit(), c.proxy.GRPC.Admit())
	case freezeNode:
		c.proxy.RPC.Freeze()
		c.proxy.GRPC.Freeze()
		defer c.proxy.RPC.Thaw()
		defer c.proxy.GRPC.Thaw()
		return c.watch(ctx, f.lasting)
	}
	rule, err := ruleOf(f)
	if err != nil {
		return err
	}
	active, err := c.proxy.Add(rule)
	if err != nil {
		return err
	}
	defer active.Remove()
	return c.watch(ctx, f.lasting)
}

// ruleOf returns what happens to calls between relay miner and node.
func ruleOf(f fault) (faultnode.Rule, error) {
	some := faultnode.Rule{Chance: f.chance, Seed: uint64(f.lasting)}
	switch f.kind {
	case delayCalls:
		return faultnode.Rule{Fault: faultnode.Delay(f.delay)}, nil
	case failCalls:
		some.Fault = faultnode.Fail()
		return some, nil
	case dropBroadcasts:
		some.Fault = faultnode.Drop()
	case loseBroadcasts:
		some.Fault = faultnode.LoseAnswer()
	case swallowBroadcasts:
		some.Fault = faultnode.Swallow()
	default:
		return faultnode.Rule{}, fmt.Errorf("fault %q is unknown", f.kind)
	}
	some.Methods = []string{broadcastMethod}
	return some, nil
}

// kill kills the relay miner, and starts it again when it has been down.
func (c *chaos) kill(ctx context.Context, f fault) error {
	if err := c.miner.kill(ctx); errors.Is(err, child.ErrEnded) {
		c.problem("the relay miner ended by itself: %v", err)
	} else if err != nil {
		return err
	}
	if err := pause(ctx, f.lasting); err != nil {
		return err
	}
	return c.revive(ctx)
}

// restart stops the node and with it the chain, and starts it again. The fault is
// over with the next block.
func (c *chaos) restart(ctx context.Context, f fault) error {
	if err := c.network.StopNode(); err != nil {
		return err
	}
	height := c.network.Height()
	err := c.watch(ctx, f.lasting)
	if startErr := c.network.StartNode(); err != nil || startErr != nil {
		return errors.Join(err, startErr)
	}
	return c.network.WaitForHeight(ctx, height+1)
}

// slow slows down what the fault says, for as long as it lasts.
func (c *chaos) slow(ctx context.Context, f fault) error {
	set := c.miner.slowDisk
	usual := time.Duration(0)
	if f.kind == slowBackend {
		set, usual = c.slowBackends, c.backendDelay
	}
	set(f.delay)
	defer set(usual)
	return pause(ctx, f.lasting)
}

// slowBackends sets how long all services take to answer.
func (c *chaos) slowBackends(delay time.Duration) {
	for _, service := range c.network.Services {
		c.network.Backend(service.ID).SetDelay(delay)
	}
}
