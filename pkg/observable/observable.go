package observable

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"

	"github.com/reactivex/rxgo/v2"
)

// ErrClosed is wrapped by the errors of publishing to a closed Source or Replay.
var ErrClosed = errors.New("observable is closed")

// ErrFull is wrapped by the error of TryPublish when the buffer is full.
var ErrFull = errors.New("observable is full")

// ErrObserved is sent, as an error item, to everyone who subscribes to a raw
// rxgo stream that somebody else already reads.
var ErrObserved = errors.New("observable already has a consumer")

// errDropped marks, within a chain of rxgo operators, the place of an item that
// a stage has dropped: rxgo's Map has no other way to produce nothing. Stages
// skip it.
var errDropped = errors.New("item dropped by an earlier stage")

// Observable is a stream of values with exactly one consumer: a stage of this
// package or a reader of the raw rxgo stream.
type Observable[T any] interface {
	// Observe makes the caller the stream's consumer and hands over the
	// underlying rxgo stream. Nothing runs before that stream is subscribed to,
	// and its reader must read until it is closed: whoever stops early leaves
	// the stages before it waiting for ever. When a context given to an rxgo
	// operator ends, the values that can no longer be delivered are counted as
	// dropped.
	//
	// Observe panics if the stream already has a consumer. That is an error in
	// how the program is wired, and it would lose items silently.
	Observe() rxgo.Observable

	// Value returns the value that an item of the raw stream carries. It
	// reports false for an item that carries none: an rxgo error item, or an
	// item of another type.
	Value(item rxgo.Item) (T, bool)
}

// stream is the output of a source or a stage. It implements Observable.
type stream[T any] struct {
	st *stage

	// start begins the stages above and returns their output, which they close.
	// It is called at most once.
	start func() <-chan rxgo.Item

	claimed atomic.Bool
}

func newStream[T any](st *stage, start func() <-chan rxgo.Item) *stream[T] {
	return &stream[T]{st: st, start: start}
}

// claim makes the caller the only consumer.
func (s *stream[T]) claim() func() <-chan rxgo.Item {
	if s.claimed.Swap(true) {
		panic(fmt.Sprintf("observable %q: %v; use a Replay where several consumers need the same values", s.st.name, ErrObserved))
	}
	return s.start
}

// Observe implements Observable.
func (s *stream[T]) Observe() rxgo.Observable {
	start := s.claim()
	var subscribed atomic.Bool
	produce := func(ctx context.Context, next chan<- rxgo.Item) {
		if subscribed.Swap(true) {
			rxgo.Error(fmt.Errorf("observable %q: %w", s.st.name, ErrObserved)).SendContext(ctx, next)
			return
		}
		// The loop goes on to the end even when ctx is done, so that nobody
		// upstream waits for a reader that has gone.
		for item := range start() {
			if item.E == errDropped {
				continue
			}
			if !item.SendContext(ctx, next) {
				s.st.stats.dropped.Add(1)
			}
		}
	}
	return rxgo.Defer([]rxgo.Producer{produce}, rxgo.WithBufferedChannel(s.st.buffer))
}

// Value implements Observable.
func (s *stream[T]) Value(item rxgo.Item) (T, bool) {
	if item.E != nil {
		var zero T
		return zero, false
	}
	v, err := cast[T](item.V)
	return v, err == nil
}

// take makes a stage the consumer of in. The function returned begins the
// stages above. No rxgo option is passed upwards: options given to an operator
// would otherwise override those of the operators before it.
func take[T any](in Observable[T]) func() <-chan rxgo.Item {
	if own, ok := in.(interface {
		claim() func() <-chan rxgo.Item
	}); ok {
		return own.claim()
	}
	foreign := in.Observe()
	return func() <-chan rxgo.Item { return foreign.Observe() }
}

// cast takes a value out of rxgo's untyped item. A nil interface value of T
// arrives as plain nil. Other types than T can only come from an implementation
// of Observable outside this package.
func cast[T any](v any) (T, error) {
	t, ok := v.(T)
	if ok {
		return t, nil
	}
	if v == nil && any(t) == nil {
		return t, nil
	}
	return t, fmt.Errorf("observable item is a %T, not a %v", v, reflect.TypeFor[T]())
}
