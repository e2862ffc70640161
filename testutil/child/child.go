package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Patience is how long a process may take to serve or to end. Either takes a
// second on a machine that has nothing else to do.
const Patience = time.Minute

// ErrEnded says that the process has ended in a way that nobody asked for.
var ErrEnded = errors.New("the process has ended by itself")

// Program is what can be started.
type Program struct {
	Path string
	Args []string
	Env  []string // beside the parent's own
	// Stderr receives what the process writes there; nil discards it.
	Stderr io.Writer
}

// Process is a program that was started. Its methods may be called concurrently.
type Process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ready chan struct{} // closed when the process has said that it serves
	ended chan struct{} // closed when the process has ended
}

// Start starts the program. The process runs until it ends, is signalled, or
// notices that its parent has ended.
func (p Program) Start() (*Process, error) {
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	started := &Process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{})}
	cmd.Stdout = &readiness{ready: started.ready}
	cmd.Stderr = p.Stderr
	var err error
	if started.stdin, err = cmd.StdinPipe(); err != nil { // closed by Wait
		return nil, fmt.Errorf("standard input of %s: %w", p.Path, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Path, err)
	}
	go func() { // awaited through ended
		defer close(started.ended)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	return started, nil
}

// readiness closes ready at the first line that is written to it.
type readiness struct {
	ready chan struct{}
	once  sync.Once
}

// Write implements io.Writer.
func (r *readiness) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("\n")) {
		r.once.Do(func() { close(r.ready) })
	}
	return len(p), nil
}

// Ready returns a channel that is closed when the process has said that it serves.
func (p *Process) Ready() <-chan struct{} { return p.ready }

// Ended returns a channel that is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// End says how the process has ended, once it has.
func (p *Process) End() string {
	select {
	case <-p.ended:
		return p.cmd.ProcessState.String()
	default:
		return "it has not ended"
	}
}

// Tell writes a line to the standard input of the process.
func (p *Process) Tell(line string) error {
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		return fmt.Errorf("tell the process %q: %w", line, err)
	}
	return nil
}

// AwaitReady returns when the process serves. The error wraps ErrEnded if it has
// ended instead, and that of ctx if it takes longer than Patience or ctx ends.
func (p *Process) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("%w instead of serving: %s", ErrEnded, p.End())
	case <-ctx.Done():
		return fmt.Errorf("the process does not begin to serve: %w", ctx.Err())
	}
}

// AwaitEnd returns when the process has ended, and how. The error wraps that of
// ctx if it takes longer than Patience or ctx ends.
func (p *Process) AwaitEnd(ctx context.Context) (syscall.WaitStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		return 0, fmt.Errorf("the process does not end: %w", ctx.Err())
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		return 0, fmt.Errorf("the process ended with %T", p.cmd.ProcessState.Sys())
	}
	return status, nil
}

// Signal sends a signal to the process.
func (p *Process) Signal(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("send %v: %w", signal, err)
	}
	return nil
}

// Kill ends the process as kill -9 does and returns when it has ended. The error
// wraps ErrEnded if it has ended by itself.
func (p *Process) Kill(ctx context.Context) error {
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.AwaitKilled(ctx)
}

// AwaitKilled returns when the process has ended. The error wraps ErrEnded if
// anything but SIGKILL has ended it.
func (p *Process) AwaitKilled(ctx context.Context) error {
	status, err := p.AwaitEnd(ctx)
	if err != nil {
		return err
	}
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("%w and was not killed: %s", ErrEnded, p.End())
	}
	return nil
}

// Stop ends the process in the way of an operator, who expects that it succeeds,
// and returns when it has ended. The error says so if the exit status is not 0.
func (p *Process) Stop(ctx context.Context, signal os.Signal) error {
	if err := p.Signal(signal); err != nil {
		return err
	}
	status, err := p.AwaitEnd(ctx)
	if err != nil {
		return err
	}
	if !status.Exited() || status.ExitStatus() != 0 {
		return fmt.Errorf("after %v the process ended with: %s", signal, p.End())
	}
	return nil
}
