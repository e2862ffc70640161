package observable

import (
	"context"
	"log/slog"
)

// DefaultBuffer is the number of items that a source, a stage or a subscription
// holds when WithBuffer does not say otherwise. Below some hundred items the
// hand-over between goroutines costs several times as much.
const DefaultBuffer = 128

// Option changes a source or a stage while it is made.
type Option interface{ applyStage(*stage) }

// SubscribeOption changes a subscription while it is made.
type SubscribeOption interface{ applySubscription(*stage) }

// SharedOption is an option of sources and stages as well as of subscriptions.
type SharedOption interface {
	Option
	SubscribeOption
}

type stageOption func(*stage)

func (o stageOption) applyStage(s *stage) { o(s) }

type subscribeOption func(*stage)

func (o subscribeOption) applySubscription(s *stage) { o(s) }

type sharedOption func(*stage)

func (o sharedOption) applyStage(s *stage)        { o(s) }
func (o sharedOption) applySubscription(s *stage) { o(s) }

// WithName sets the name by which error reports and panics call the stage.
// The default is the kind of stage, such as "map".
func WithName(name string) SharedOption {
	return sharedOption(func(s *stage) { s.name = name })
}

// WithBuffer sets how many items wait behind a source or a stage for the next
// stage to take them. Zero or less hands each item over directly. A
// subscription holds at least one item, besides those that are replayed to it,
// so that its beginning never makes the publisher wait.
func WithBuffer(n int) SharedOption {
	return sharedOption(func(s *stage) { s.buffer = max(n, 0) })
}

// WithStats makes the source, stage or subscription count in stats, for others
// to read. Nil changes nothing.
func WithStats(stats *Stats) SharedOption {
	return sharedOption(func(s *stage) {
		if stats != nil {
			s.stats = stats
		}
	})
}

// WithPool makes Map, MapExpand, Filter and ForEach run their function on n
// items at a time. The order of items is lost, so it is for work that takes
// much longer than a microsecond per item. Other stages ignore it.
func WithPool(n int) Option {
	return stageOption(func(s *stage) { s.pool = n })
}

// WithContext sets the context that the stage's function is given. It bounds
// the work on each item; cancelling it does not end the stream. The default is
// context.Background.
func WithContext(ctx context.Context) Option {
	return stageOption(func(s *stage) {
		if ctx != nil {
			s.ctx = ctx
		}
	})
}

// WithErrorHandler sets what is told of each item that was dropped because the
// stage's function failed or panicked (then err is an *async.PanicError). name
// is the stage's. The stage waits for the handler to return, and with WithPool
// several calls run at once. Without a handler errors are logged through
// slog.Default; a nil handler changes nothing.
//
// item is nil for an error item that came from an rxgo stream outside this
// package. Such items pass through Map and Filter and are reported by the next
// stage of another kind.
func WithErrorHandler(handle func(name string, item any, err error)) Option {
	return stageOption(func(s *stage) {
		if handle != nil {
			s.handle = handle
		}
	})
}

// WithOverflow sets what happens to values that are published while a
// subscription's buffer is full. The default is Block.
func WithOverflow(rule Overflow) SubscribeOption {
	return subscribeOption(func(s *stage) { s.overflow = rule })
}

func logError(name string, _ any, err error) {
	slog.Error("observable dropped an item", "stage", name, "error", err)
}

// Overflow is a subscription's rule for a full buffer.
type Overflow uint8

// The rules for a full buffer. Dropped values are counted in the
// subscription's Stats.
const (
	// Block makes the publisher wait until the subscriber has room, has
	// unsubscribed, or the publisher's context is done.
	Block Overflow = iota
	// DropNewest keeps what is in the buffer and drops the value published.
	DropNewest
	// DropOldest drops the value that has waited longest in favour of the one
	// published.
	DropOldest
)

// String returns the rule's name in lower case.
func (o Overflow) String() string {
	switch o {
	case DropNewest:
		return "drop newest"
	case DropOldest:
		return "drop oldest"
	default:
		return "block"
	}
}
