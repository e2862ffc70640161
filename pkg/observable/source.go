package observable

import (
	"context"
	"fmt"
	"sync"

	"github.com/reactivex/rxgo/v2"
)

// Source is the beginning of a stream, where values are published. It is itself
// the Observable of what is published, with one consumer. Its methods may be
// called concurrently.
type Source[T any] struct {
	*stream[T]

	// items is closed by Close, once no publisher is sending.
	items chan rxgo.Item
	// closing is closed at the beginning of Close and releases publishers.
	closing chan struct{}
	once    sync.Once

	// mu is held shared while publishing and exclusively while closing items.
	mu     sync.RWMutex
	closed bool
}

var _ Observable[any] = (*Source[any])(nil)

// NewSource returns an open source. WithBuffer, WithName and WithStats apply.
func NewSource[T any](opts ...Option) *Source[T] {
	st := newStage("source", opts)
	s := &Source[T]{
		items:   st.newOutput(),
		closing: make(chan struct{}),
	}
	s.stream = newStream[T](st, func() <-chan rxgo.Item { return s.items })
	return s
}

// Publish hands v to the stream, and waits while the buffer is full. A nil
// error means that v will be handled, provided that the stream has a consumer.
// ctx bounds only the waiting: where there is room v is accepted even if ctx is
// done, since work that is finished should not be lost because the one who
// asked for it has gone.
//
// The error wraps ErrClosed when the source is closed, and ctx.Err when ctx
// ended before there was room. In both cases v was not accepted.
func (s *Source[T]) Publish(ctx context.Context, v T) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return s.fail(ErrClosed)
	}
	item := rxgo.Item{V: v}
	select {
	case s.items <- item:
		s.st.stats.in.Add(1)
		s.st.stats.out.Add(1)
		return nil
	default:
	}

	defer s.st.stats.wait()()
	select {
	case s.items <- item:
		s.st.stats.in.Add(1)
		s.st.stats.out.Add(1)
		return nil
	case <-s.closing:
		return s.fail(ErrClosed)
	case <-ctx.Done():
		s.st.stats.dropped.Add(1)
		return s.fail(ctx.Err())
	}
}

// TryPublish hands v to the stream if that needs no waiting. The error wraps
// ErrFull when there is no room, which counts v as dropped, and ErrClosed when
// the source is closed.
func (s *Source[T]) TryPublish(v T) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return s.fail(ErrClosed)
	}
	select {
	case s.items <- rxgo.Item{V: v}:
		s.st.stats.in.Add(1)
		s.st.stats.out.Add(1)
		return nil
	default:
		s.st.stats.dropped.Add(1)
		return s.fail(ErrFull)
	}
}

// Close stops the intake: publishers that wait are released with ErrClosed, and
// the stream completes when everything accepted has been taken. Close does not
// wait for that; the done channel of ForEach tells. Closing twice is harmless.
func (s *Source[T]) Close() {
	s.once.Do(func() {
		close(s.closing)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true
		close(s.items)
	})
}

// Len returns the number of accepted values that nobody has taken yet.
func (s *Source[T]) Len() int { return len(s.items) }

// Stats returns the source's counts.
func (s *Source[T]) Stats() StatsSnapshot { return s.st.stats.Snapshot() }

func (s *Source[T]) fail(err error) error {
	return fmt.Errorf("publish to %q: %w", s.st.name, err)
}
