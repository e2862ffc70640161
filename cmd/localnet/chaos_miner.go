package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/seed52205347/relayminer/testutil/child"
	"github.com/seed52205347/relayminer/testutil/faultnode"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// miner is the relay miner of a chaos run: one process after the other.
type miner struct {
	program child.Program

	mu      sync.Mutex
	process *child.Process // the last that was started
	killed  bool           // by kill
	disk    time.Duration  // by which its disk is slowed down
}

// newMiner returns a relay miner that reaches the node through the proxy and logs
// to log. It is not running yet.
func newMiner(network *localnet.Network, proxy *faultnode.Proxy, timeout time.Duration, log io.Writer) (*miner, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which is the relay miner's too: %w", err)
	}
	options := childOptions{
		miner:   relayMinerOptions(network, nil),
		rpc:     proxy.RPCURL,
		grpc:    proxy.GRPCURL,
		timeout: timeout,
	}
	return &miner{program: child.Program{Path: path, Args: options.args(), Stderr: log}}, nil
}

// start starts the relay miner and returns when it serves.
func (m *miner) start(ctx context.Context) error {
	process, err := m.program.Start()
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.process, m.killed = process, false
	err = m.tell()
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return process.AwaitReady(ctx)
}

// current returns the last process that was started, nil before the first.
func (m *miner) current() *child.Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}

// kill ends the relay miner as kill -9 does. The error wraps child.ErrEnded if it
// had ended by itself.
func (m *miner) kill(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.killed = true
	return m.process.Kill(ctx)
}

// slowDisk makes the relay miner's disk slow, also that of the processes to come.
// It may be that none is running.
func (m *miner) slowDisk(delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk = delay
	_ = m.tell() // fails when there is no process, and the next one is told at its start
}

// tell tells the process how slow its disk is. mu is held.
func (m *miner) tell() error {
	return m.process.Tell(diskOrder + m.disk.String())
}

// stop ends the relay miner in the way of an operator, unless it was killed. It
// kills one that does not end.
func (m *miner) stop(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process == nil || m.killed {
		return nil
	}
	err := m.process.Stop(ctx, syscall.SIGTERM)
	if err != nil {
		_ = m.process.Signal(syscall.SIGKILL) // fails when it has ended
		<-m.process.Ended()
		return fmt.Errorf("stop the relay miner: %w", err)
	}
	return nil
}
