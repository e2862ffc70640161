package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrLoader is wrapped by the errors that the load generator tells of.
var ErrLoader = errors.New("load generator failed")

// Loader gives commands to a load generator, which is at the other end of a pair of
// pipes. Commands are given one after the other.
type Loader struct {
	mu      sync.Mutex // of encoder
	encoder *json.Encoder
	decoder *json.Decoder
	service string
}

// NewLoader returns a loader whose load generator reads commands from what is written to
// in, and tells of them on out. It tells it the plan.
func NewLoader(ctx context.Context, in io.Writer, out io.Reader, plan Plan) (*Loader, error) {
	l := &Loader{encoder: json.NewEncoder(in), decoder: json.NewDecoder(out)}
	reply, err := l.do(ctx, command{Plan: &plan}, func(int) {})
	if err != nil {
		return nil, err
	}
	l.service = reply.Service
	return l, nil
}

// Service returns host and port of the service.
func (l *Loader) Service() string { return l.service }

// Sign has n more requests signed, to be sent by the runs that follow. It calls
// progress now and then with how many there are. If ctx ends, none is added.
func (l *Loader) Sign(ctx context.Context, n int, progress func(signed int)) error {
	_, err := l.do(ctx, command{Sign: n}, progress)
	return err
}

// Run has requests sent. If ctx ends first the result is of what was sent until then.
func (l *Loader) Run(ctx context.Context, run Run) (*Result, error) {
	reply, err := l.do(ctx, command{Run: &run}, func(int) {})
	if err != nil {
		return nil, err
	}
	if reply.Result == nil {
		return nil, fmt.Errorf("%w: it has no result", ErrLoader)
	}
	return reply.Result, nil
}

// do gives a command and waits until it is obeyed. The end of ctx stops it.
func (l *Loader) do(ctx context.Context, c command, progress func(int)) (event, error) {
	if ctx.Err() != nil {
		return event{}, ctx.Err()
	}
	if err := l.send(c); err != nil {
		return event{}, err
	}
	// That a stop can not be told shows in what is read.
	defer context.AfterFunc(ctx, func() { _ = l.send(command{Stop: true}) })()
	for {
		var e event
		if err := l.decoder.Decode(&e); err != nil {
			return e, fmt.Errorf("%w: it has ended: %w", ErrLoader, err)
		}
		switch {
		case e.Error != "" && ctx.Err() != nil:
			return e, ctx.Err()
		case e.Error != "":
			return e, fmt.Errorf("%w: %s", ErrLoader, e.Error)
		case e.Done:
			return e, nil
		}
		progress(e.Signed)
	}
}

func (l *Loader) send(c command) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.encoder.Encode(c); err != nil {
		return fmt.Errorf("%w: %w", ErrLoader, err)
	}
	return nil
}
