package observable

// ring is a queue with a fixed capacity of at least one. It is not safe for
// concurrent use.
type ring[T any] struct {
	slots []T
	head  int // index of the oldest
	n     int
}

func newRing[T any](capacity int) ring[T] {
	return ring[T]{slots: make([]T, max(capacity, 1))}
}

func (r *ring[T]) full() bool { return r.n == len(r.slots) }

// push appends v. The ring must not be full.
func (r *ring[T]) push(v T) {
	r.slots[(r.head+r.n)%len(r.slots)] = v
	r.n++
}

// pop removes the oldest. The ring must not be empty. The slot is cleared so
// that it keeps nothing alive.
func (r *ring[T]) pop() T {
	var zero T
	v := r.slots[r.head]
	r.slots[r.head] = zero
	r.head = (r.head + 1) % len(r.slots)
	r.n--
	return v
}

// last returns a copy of the newest k, or of all if there are fewer, newest
// last.
func (r *ring[T]) last(k int) []T {
	k = min(k, r.n)
	vs := make([]T, k)
	for i := range vs {
		vs[i] = r.slots[(r.head+r.n-k+i)%len(r.slots)]
	}
	return vs
}
