package observable

import (
	"sync"

	"github.com/reactivex/rxgo/v2"
)

// subscription is the queue between a Replay and one of its subscribers. The
// publisher pushes without ever waiting; a goroutine that begins with the
// subscriber's first read moves the values on.
type subscription[T any] struct {
	st *stage

	gone chan struct{} // closed by unsubscribe
	room chan struct{} // holds a signal when a value was taken since the last look
	more chan struct{} // holds a signal when something was pushed, or the end came

	mu    sync.Mutex
	queue ring[T]
	ended bool // no more will be pushed
}

func newSubscription[T any](st *stage, replayed []T) *subscription[T] {
	s := &subscription[T]{
		st:    st,
		gone:  make(chan struct{}),
		room:  make(chan struct{}, 1),
		more:  make(chan struct{}, 1),
		queue: newRing[T](max(st.buffer, 1) + len(replayed)),
	}
	for _, v := range replayed {
		s.push(v)
	}
	st.stats.watch(s.len)
	return s
}

// blocked reports whether a value cannot be pushed now but will be later.
func (s *subscription[T]) blocked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st.overflow == Block && s.queue.full()
}

// push appends v by the overflow rule. A subscription with the rule Block must
// not be blocked; since only one publisher pushes at a time it stays so.
func (s *subscription[T]) push(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.stats.in.Add(1)
	if s.queue.full() {
		s.st.stats.dropped.Add(1)
		if s.st.overflow == DropNewest {
			return
		}
		s.queue.pop()
	}
	s.queue.push(v)
	signal(s.more)
}

// end completes the subscription once its queue is empty.
func (s *subscription[T]) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	signal(s.more)
}

func (s *subscription[T]) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.n
}

// start begins to move values on. The goroutine ends when the subscription is
// ended and empty, or gone.
func (s *subscription[T]) start() <-chan rxgo.Item {
	out := make(chan rxgo.Item)
	go s.run(out)
	return out
}

func (s *subscription[T]) run(out chan<- rxgo.Item) {
	defer close(out)
	for {
		v, ok := s.next()
		if !ok {
			return
		}
		select {
		case out <- rxgo.Item{V: v}:
			s.st.stats.out.Add(1)
		case <-s.gone:
			return
		}
	}
}

// next waits for the oldest value. It reports false when no more will come.
func (s *subscription[T]) next() (v T, ok bool) {
	for {
		select {
		case <-s.gone:
			return v, false
		default:
		}
		s.mu.Lock()
		if s.queue.n > 0 {
			v = s.queue.pop()
			s.mu.Unlock()
			signal(s.room)
			return v, true
		}
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return v, false
		}
		select {
		case <-s.more:
		case <-s.gone:
			return v, false
		}
	}
}

// signal leaves a signal in ch, which has room for one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
