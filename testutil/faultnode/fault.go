package faultnode

import (
	"context"
	"sync"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// Handler answers a call. No answer, nil, is silence: the client waits until it
// gives up. For an event it means that the client does not get it.
type Handler func(ctx context.Context, call *Call) *Answer

// Fault is something that goes wrong with a call on its way to the node, or with
// the answer on its way back. It may hold state and belongs to one rule.
type Fault struct {
	// begin is called when a call meets the fault, before that is told to anybody,
	// and returns what is to be done with the call.
	begin func(*Call) treatment
	// release lets go of what the fault holds back, when its rule is removed. It
	// is nil for a fault that holds nothing.
	release func()
}

// treatment answers a call, by handing it to next or not.
type treatment func(ctx context.Context, call *Call, next Handler) *Answer

// FaultFunc makes a fault of a function that answers a call, by handing it to
// next or not. ctx ends when the client gives up. The function is called
// concurrently.
func FaultFunc(apply func(ctx context.Context, call *Call, next Handler) *Answer) Fault {
	return Fault{begin: func(*Call) treatment { return apply }}
}

// Drop loses the call on its way: the node never sees it, and the client hears
// nothing.
func Drop() Fault {
	return FaultFunc(func(context.Context, *Call, Handler) *Answer { return nil })
}

// LoseAnswer loses the answer on its way back: the node has done what it was
// asked, and the client hears nothing.
func LoseAnswer() Fault {
	return FaultFunc(func(ctx context.Context, call *Call, next Handler) *Answer {
		next(ctx, call)
		return nil
	})
}

// Cut breaks the connection in place of an answer. The node never sees the call.
func Cut() Fault {
	return FaultFunc(func(context.Context, *Call, Handler) *Answer { return &Answer{Cut: true} })
}

// Delay holds each call back for a time. A client that gives up first is not
// heard by the node.
func Delay(d time.Duration) Fault {
	return FaultFunc(func(ctx context.Context, call *Call, next Handler) *Answer {
		if !async.Sleep(ctx, d) {
			return nil
		}
		return next(ctx, call)
	})
}

// Duplicate hands each call on twice. The client gets the first answer.
func Duplicate() Fault {
	return FaultFunc(func(ctx context.Context, call *Call, next Handler) *Answer {
		first := next(ctx, call)
		next(ctx, call)
		return first
	})
}

// Reorder holds the first of each k+1 calls back until the k others have passed.
// Removing the rule lets a call go that is held. A k of zero or less changes
// nothing.
func Reorder(k int) Fault {
	r := &reorder{k: k}
	return Fault{begin: r.begin, release: r.release}
}

type reorder struct {
	k int

	mu     sync.Mutex
	held   chan struct{} // closed to let the held call go; nil while none is held
	passed int           // others, since the held call came
}

func (r *reorder) begin(*Call) treatment {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.k <= 0 {
		return func(ctx context.Context, call *Call, next Handler) *Answer { return next(ctx, call) }
	}
	if r.held == nil {
		r.held = make(chan struct{})
		return waitFor(r.held)
	}
	gate := r.held
	return func(ctx context.Context, call *Call, next Handler) *Answer {
		defer r.pass(gate)
		return next(ctx, call)
	}
}

// pass notes that a call has passed the one that is held at the gate.
func (r *reorder) pass(gate chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if gate != r.held {
		return
	}
	if r.passed++; r.passed == r.k {
		r.letGo()
	}
}

// letGo ends a round. mu is held.
func (r *reorder) letGo() {
	if r.held != nil {
		close(r.held)
	}
	r.held, r.passed = nil, 0
}

func (r *reorder) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letGo()
}

// waitFor hands the call on when the gate is closed, or the client gives up.
func waitFor(gate <-chan struct{}) treatment {
	return func(ctx context.Context, call *Call, next Handler) *Answer {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return next(ctx, call)
	}
}
