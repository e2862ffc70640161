package faultnode

import (
	"context"
	"sync"
	"time"
)

// Handler answers a call. No answer, nil, is silence: the client waits until it
// gives up. For an event it means that the client does not get it.
type Handler func(ctx context.Context, call *Call) *Answer

// Fault is something that goes wrong with a call on its way to the node, or with
// the answer on its way back. It may hold state and belongs to one rule.
type Fault struct {
	apply func(ctx context.Context, call *Call, next Handler) *Answer
	// release lets go of what the fault holds back, when its rule is removed. It
	// is nil for a fault that holds nothing.
	release func()
}

// FaultFunc makes a fault of a function that answers a call, by handing it to
// next or not. ctx ends when the client gives up. The function is called
// concurrently.
func FaultFunc(apply func(ctx context.Context, call *Call, next Handler) *Answer) Fault {
	return Fault{apply: apply}
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
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return next(ctx, call)
		case <-ctx.Done():
			return nil
		}
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
	var mu sync.Mutex
	var held chan struct{} // closed to let the held call go; nil while none is held
	passed := 0
	letGo := func() { // mu is held
		if held != nil {
			close(held)
		}
		held, passed = nil, 0
	}
	apply := func(ctx context.Context, call *Call, next Handler) *Answer {
		mu.Lock()
		if k > 0 && held == nil {
			held = make(chan struct{})
			gate := held
			mu.Unlock()
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return next(ctx, call)
		}
		gate := held
		mu.Unlock()
		answer := next(ctx, call)
		mu.Lock()
		defer mu.Unlock()
		if gate != nil && gate == held {
			if passed++; passed == k {
				letGo()
			}
		}
		return answer
	}
	return Fault{apply: apply, release: func() {
		mu.Lock()
		defer mu.Unlock()
		letGo()
	}}
}
