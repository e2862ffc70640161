package observable

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// ReplayObservable is a stream with any number of consumers, which come and go,
// that remembers its newest values.
type ReplayObservable[T any] interface {
	// Subscribe returns a stream of the remembered values, oldest first,
	// followed by all that are published from now on. It completes when the
	// observable is closed and its buffer has been read. WithBuffer,
	// WithOverflow, WithName and WithStats apply.
	//
	// unsubscribe discards what the subscriber has not been given yet and
	// completes the stream. It may be called more than once and at any time.
	Subscribe(opts ...SubscribeOption) (values Observable[T], unsubscribe func())

	// Last returns the newest n of the remembered values, newest last, or as
	// many as there are; n below 1 counts as 1. It waits until there is one.
	// The error wraps ctx.Err, or ErrClosed when the observable was closed
	// without a value.
	Last(ctx context.Context, n int) ([]T, error)
}

// Replay is the publishing end of a ReplayObservable. Its methods may be called
// concurrently.
type Replay[T any] struct {
	st *stage

	turn    chan struct{} // held, by filling it, by the one who publishes
	closing chan struct{} // closed by Close
	first   chan struct{} // closed when the first value is remembered

	mu          sync.Mutex // never held while waiting
	memory      ring[T]
	subscribers []*subscription[T]
	closed      bool
}

var _ ReplayObservable[any] = (*Replay[any])(nil)

// NewReplay returns an open observable that remembers the last n values; n
// below 1 counts as 1. WithName and WithStats apply.
func NewReplay[T any](n int, opts ...Option) *Replay[T] {
	return &Replay[T]{
		st:      newStage("replay", opts),
		turn:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		first:   make(chan struct{}),
		memory:  newRing[T](n),
	}
}

// Publish remembers v and gives it to all subscribers. It waits while a
// subscriber with the rule Block has no room, and while another Publish waits.
// All subscribers see all values in the same order.
//
// The error wraps ErrClosed when the observable is closed, and ctx.Err when ctx
// ended first. Then nobody has been given v and it is not remembered, so it can
// be published again.
func (r *Replay[T]) Publish(ctx context.Context, v T) error {
	select {
	case r.turn <- struct{}{}:
		blocking, err := r.offer(v)
		<-r.turn
		if blocking == nil {
			return err
		}
	default:
	}
	return r.publishWaiting(ctx, v)
}

// publishWaiting waits for its turn and then, keeping it, for every subscriber
// that blocks. Closing releases the one whose turn it is, and so all the others.
func (r *Replay[T]) publishWaiting(ctx context.Context, v T) error {
	defer r.st.stats.wait()()
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return r.giveUp(ctx)
	}
	defer func() { <-r.turn }()
	for {
		blocking, err := r.offer(v)
		if blocking == nil {
			return err
		}
		select {
		case <-blocking.room:
		case <-blocking.gone:
		case <-r.closing:
		case <-ctx.Done():
			return r.giveUp(ctx)
		}
	}
}

// giveUp accounts for a value that was not published in time.
func (r *Replay[T]) giveUp(ctx context.Context) error {
	r.st.stats.dropped.Add(1)
	return r.fail(ctx.Err())
}

// offer gives v to all subscribers, or to none if one of them blocks; that one
// is returned. Because subscriptions are pushed to only here, by the one whose
// turn it is, a subscriber that was found to have room keeps it.
func (r *Replay[T]) offer(v T) (blocking *subscription[T], err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, r.fail(ErrClosed)
	}
	for _, s := range r.subscribers {
		if s.blocked() {
			return s, nil
		}
	}
	for _, s := range r.subscribers {
		s.push(v)
	}
	if r.memory.n == 0 {
		close(r.first)
	}
	if r.memory.full() {
		r.memory.pop()
	}
	r.memory.push(v)
	r.st.stats.in.Add(1)
	r.st.stats.out.Add(1)
	return nil, nil
}

// Subscribe implements ReplayObservable. On a closed observable the stream
// consists of the remembered values.
func (r *Replay[T]) Subscribe(opts ...SubscribeOption) (values Observable[T], unsubscribe func()) {
	st := defaultStage("subscription of " + r.st.name)
	for _, opt := range opts {
		opt.applySubscription(st)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := newSubscription(st, r.memory.last(r.memory.n))
	if r.closed {
		s.end()
	} else {
		r.subscribers = append(r.subscribers, s)
	}
	return newStream[T](st, s.start), sync.OnceFunc(func() {
		r.remove(s)
		close(s.gone)
	})
}

func (r *Replay[T]) remove(s *subscription[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers = slices.DeleteFunc(r.subscribers, func(other *subscription[T]) bool { return other == s })
}

// Last implements ReplayObservable.
func (r *Replay[T]) Last(ctx context.Context, n int) ([]T, error) {
	var err error
	select {
	case <-r.first:
	case <-r.closing:
		err = ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory.n == 0 { // whatever ended the wait, a value counts more
		return nil, fmt.Errorf("last values of %q: %w", r.st.name, err)
	}
	return r.memory.last(max(n, 1)), nil
}

// Close stops the intake and releases publishers that wait with ErrClosed. Each
// subscriber's stream completes when it has read what was published. The
// remembered values stay. Closing twice is harmless.
func (r *Replay[T]) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	close(r.closing)
	for _, s := range r.subscribers {
		s.end()
	}
	r.subscribers = nil
}

// Stats returns the counts of the publishing end. Those of a subscription are
// in the Stats that it was given.
func (r *Replay[T]) Stats() StatsSnapshot { return r.st.stats.Snapshot() }

func (r *Replay[T]) fail(err error) error {
	return fmt.Errorf("publish to %q: %w", r.st.name, err)
}
