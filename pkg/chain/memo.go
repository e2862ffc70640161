package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

const (
	// currentFor bounds how long an answer that is true only now is believed
	// when no newer block is seen.
	currentFor = 30 * time.Second
	// unsureFor is the bound when blocks are not followed, so that a newer one
	// would not be seen, or when the answer is from a state that is known to be
	// behind.
	unsureFor = time.Second
	// flightAttempts of the timeout of one attempt are what a query that belongs
	// to no single caller may take.
	flightAttempts = largeAnswer + 2
)

// answer is what the chain said to one question.
type answer[V any] struct {
	value  V
	height int64 // of the state that answered, 0 if unknown
	final  bool  // the chain will never answer differently
}

// memo remembers answers by key: final ones until they are displaced, others
// until the next block. That something is not found counts as an answer that is
// not final; an error is no answer. At its bound the answer that was not used for
// longest goes.
type memo[K comparable, V any] struct {
	node    *Node
	ask     func(context.Context, K) (answer[V], error)
	answers *lru.Cache[K, entry[V]]
	flights singleflight.Group
}

type entry[V any] struct {
	answer[V]
	absent error // wraps relayer.ErrNotFound if that was the answer
	seen   int64 // the highest block seen when it was given
	until  time.Time
}

func newMemo[K comparable, V any](
	node *Node, bound int, ask func(context.Context, K) (answer[V], error),
) *memo[K, V] {
	answers, err := lru.New[K, entry[V]](bound)
	if err != nil {
		// The library's only error is a bound that is not positive, and all
		// bounds are constants of this package.
		panic(fmt.Sprintf("memo with bound %d: %v", bound, err))
	}
	return &memo[K, V]{node: node, ask: ask, answers: answers}
}

// get returns the answer for key, asking if it is not remembered. Callers that
// come while a question is on its way wait for the same answer. The error is that
// of ask, or wraps ctx.Err or ErrClosed.
func (m *memo[K, V]) get(ctx context.Context, key K) (V, error) {
	if e, ok := m.answers.Get(key); ok && e.holds(m.node.seen.Load()) {
		return e.value, e.absent
	}
	var none V
	// %#v quotes strings, so that no two keys look alike.
	flight := m.flights.DoChan(fmt.Sprintf("%#v", key), func() (any, error) {
		if !m.node.depart() {
			return none, ErrClosed
		}
		defer m.node.flights.Done()
		// The flight before may have landed after the look above.
		if e, ok := m.answers.Get(key); ok && e.holds(m.node.seen.Load()) {
			return e.value, e.absent
		}
		ctx, cancel := context.WithTimeout(m.node.base, flightAttempts*m.node.timeout)
		defer cancel()
		return m.learn(ctx, key)
	})
	select {
	case result := <-flight:
		if result.Err != nil {
			return none, result.Err
		}
		value, _ := result.Val.(V)
		return value, nil
	case <-ctx.Done():
		return none, fmt.Errorf("waiting for the chain: %w", ctx.Err())
	}
}

// learn asks and remembers the answer.
func (m *memo[K, V]) learn(ctx context.Context, key K) (V, error) {
	seen := m.node.seen.Load()
	a, err := m.ask(ctx, key)
	if err != nil && !errors.Is(err, relayer.ErrNotFound) {
		return a.value, err
	}
	believed := currentFor
	if m.node.followed.Load() == 0 || a.height > 0 && a.height < seen {
		believed = unsureFor
	}
	a.final = a.final && err == nil
	e := entry[V]{answer: a, absent: err, seen: max(seen, a.height), until: time.Now().Add(believed)}
	m.answers.Add(key, e)
	return e.value, e.absent
}

// holds reports whether the answer may still be given when seen is the highest
// block seen.
func (e entry[V]) holds(seen int64) bool {
	return e.final || (e.seen >= seen && time.Now().Before(e.until))
}
