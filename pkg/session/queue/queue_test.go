package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/seed52205347/relayminer/pkg/async"
)

// backlogFunc is a backlog.
type backlogFunc func(ctx context.Context, n int, known func(string) bool) ([]Item[int], error)

func (f backlogFunc) Waiting(ctx context.Context, n int, known func(string) bool) ([]Item[int], error) {
	return f(ctx, n, known)
}

func empty(context.Context, int, func(string) bool) ([]Item[int], error) { return nil, nil }

// stored is a backlog of items whose answers are counted.
type stored struct {
	items []Item[int]
	asked int
}

func (s *stored) Waiting(_ context.Context, n int, known func(string) bool) ([]Item[int], error) {
	s.asked++
	var unknown []Item[int]
	for _, item := range s.items {
		if !known(item.Key) && len(unknown) < n {
			unknown = append(unknown, item)
		}
	}
	return unknown, nil
}

func claim(key string) Item[int] { return Item[int]{Key: key, Priority: Priority{Duty: Claim}} }

func mustTake(t *testing.T, q *Queue[int], want string) Item[int] {
	t.Helper()
	item, ok := tryTake(t, q)
	if !ok || item.Key != want {
		t.Fatalf("took %q %v, want %q", item.Key, ok, want)
	}
	return item
}

func mustWait(t *testing.T, q *Queue[int]) {
	t.Helper()
	if item, ok := tryTake(t, q); ok {
		t.Fatalf("took %q, want none", item.Key)
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	if _, err := New[int](0, backlogFunc(empty)); !errors.Is(err, ErrConfig) {
		t.Errorf("no bound: %v", err)
	}
	if _, err := New[int](1, nil); !errors.Is(err, ErrConfig) {
		t.Errorf("no backlog: %v", err)
	}
}

func TestTake_WaitsForWorkAndForTheEndOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustNew(t, 4, backlogFunc(empty))
		taken := make(chan string, 2)
		for range 2 {
			go func() {
				item, err := q.Take(t.Context())
				if err != nil {
					t.Error(err)
				}
				taken <- item.Key
			}()
		}
		synctest.Wait() // both wait
		q.Add(claim("a"))
		q.Add(claim("b"))
		if got := []string{<-taken, <-taken}; !slices.Contains(got, "a") || !slices.Contains(got, "b") {
			t.Errorf("took %v", got)
		}
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		if _, err := q.Take(ctx); !errors.Is(err, stop) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestQueue_GivesOutCopies(t *testing.T) {
	q := mustNew(t, 4, backlogFunc(empty))
	q.Add(claim("a"))
	q.Add(claim("b"))
	shown := q.First(2)
	shown[0].Key, shown[0].Duty = "changed", Other
	item := mustTake(t, q, "a")
	item.Duty = RequiredProof
	q.Retry(item, 0)
	mustTake(t, q, "b")
	if item := mustTake(t, q, "a"); item.Duty != Claim || item.Attempts != 1 {
		t.Errorf("taken again: %+v", item)
	}
}

// Whatever is added in whatever order, memory keeps the best, and the rest is given
// out after it.
func TestAdd_KeepsTheBestAtTheBound(t *testing.T) {
	const n, bound = 1000, 128
	s := &stored{}
	for i := range n {
		s.items = append(s.items, Item[int]{Key: fmt.Sprint(i), Priority: Priority{Duty: Claim, Reward: int64(n - i)}})
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	q := mustNew(t, bound, s)
	for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(n) {
		q.Add(s.items[i])
	}
	if s.asked > 0 {
		t.Errorf("Add has asked the backlog %d times", s.asked)
	}
	for i, item := range q.First(n) {
		if item.Key != fmt.Sprint(i) {
			t.Fatalf("item %d in line is %s", i, item.Key)
		}
	}
	if s := q.Stats(); s.Waiting != bound || !s.Backlogged {
		t.Errorf("%+v", s)
	}
	for i := range n {
		q.Done(mustTake(t, q, fmt.Sprint(i)))
		s.items = s.items[1:]
	}
	mustWait(t, q)
	if most := 2*n/bound + 2; s.asked > most {
		t.Errorf("the backlog was asked %d times, want at most %d", s.asked, most)
	}
}

func TestAdd_AgainUpdatesAndKeepsThePlace(t *testing.T) {
	q := mustNew(t, 8, backlogFunc(empty))
	for _, key := range []string{"a", "b", "c"} {
		q.Add(claim(key))
	}
	urgent := claim("c")
	urgent.Reward, urgent.Payload = 5, 7
	q.Add(urgent)
	q.Add(claim("a"))
	if item := mustTake(t, q, "c"); item.Payload != 7 {
		t.Errorf("payload %d, want that of the update", item.Payload)
	}
	mustTake(t, q, "a")
	mustTake(t, q, "b")
	if s := q.Stats(); s.Added != 3 || s.Updated != 2 {
		t.Errorf("%+v", s)
	}
}

func TestRemove_DropsWhatIsWorkedOn(t *testing.T) {
	q := mustNew(t, 8, backlogFunc(empty))
	for range 2 {
		q.Add(claim("a"))
		item := mustTake(t, q, "a")
		if !q.Valid(item) || !q.Remove("a") || q.Valid(item) {
			t.Fatal("an item is valid until it is removed")
		}
		q.Retry(item, 0)
		mustWait(t, q)
	}
	if q.Remove("a") {
		t.Error("removed what is not there")
	}
	if s := q.Stats(); s.Dropped != 2 || s.Working != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAdd_WhileWorkedOnIsWorkedOnOnceMore(t *testing.T) {
	for name, before := range map[string]func(*Queue[int]){
		"added":             func(*Queue[int]) {},
		"removed and added": func(q *Queue[int]) { q.Remove("a") },
		"reset and added":   func(q *Queue[int]) { q.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			q := mustNew(t, 8, backlogFunc(empty))
			q.Add(claim("a"))
			first := mustTake(t, q, "a")
			before(q)
			q.Add(claim("a"))
			q.Add(claim("a"))
			mustWait(t, q) // by one worker at a time
			q.Done(first)
			q.Done(mustTake(t, q, "a"))
			mustWait(t, q)
		})
	}
}

func TestRetry_WaitsForTheHeight(t *testing.T) {
	q := mustNew(t, 8, backlogFunc(empty))
	q.Advance(10)
	q.Add(claim("a"))
	q.Retry(mustTake(t, q, "a"), 12)
	q.Add(claim("a")) // does not shorten the wait
	q.Advance(11)
	mustWait(t, q)
	if first := q.First(9); len(first) != 1 || first[0].NotBefore != 12 {
		t.Errorf("shown %+v", first)
	}
	q.Advance(9) // heights do not fall
	q.Advance(12)
	item := mustTake(t, q, "a")
	if item.Attempts != 1 || item.NotBefore != 0 {
		t.Errorf("%+v", item)
	}
}

// More items fail than memory may hold back: each is given out once a height, and
// none is lost.
func TestRetry_NeitherSpinsNorLosesAtTheBound(t *testing.T) {
	s := &stored{items: []Item[int]{claim("a"), claim("b"), claim("c"), claim("d"), claim("e")}}
	q := mustNew(t, 2, s)
	for height := range int64(6) {
		q.Advance(height)
		for taken := 0; ; taken++ {
			item, ok := tryTake(t, q)
			if !ok {
				break
			}
			if taken > len(s.items) {
				t.Fatalf("%d items taken at height %d", taken, height)
			}
			q.Retry(item, 6)
		}
		if later := q.Stats().Later; later > 2 {
			t.Fatalf("%d items held back, bound 2", later)
		}
	}
	done := make(map[string]bool)
	for height := int64(6); height < 20; height++ {
		q.Advance(height)
		for item, ok := tryTake(t, q); ok; item, ok = tryTake(t, q) {
			done[item.Key] = true
			s.items = slices.DeleteFunc(s.items, func(i Item[int]) bool { return i.Key == item.Key })
			q.Done(item)
		}
	}
	if len(done) != 5 {
		t.Errorf("done %v", done)
	}
}

// What is held back in line does not keep away a required proof that did not fit into
// memory.
func TestRetry_AProofLeftToTheBacklogComesBackPastAFullLine(t *testing.T) {
	s := &stored{}
	for _, key := range []string{"p1", "p2", "p3"} {
		s.items = append(s.items, Item[int]{Key: key, Priority: Priority{Duty: RequiredProof}})
	}
	s.items = append(s.items, claim("c1"), claim("c2"))
	q := mustNew(t, 2, s)
	q.Pause(Operator, "0 POKT")
	for _, key := range []string{"p1", "p2", "p3"} {
		q.Retry(mustTake(t, q, key), 9)
	}
	q.Add(claim("c1"))
	q.Add(claim("c2"))
	mustWait(t, q)
	q.Advance(1)
	mustTake(t, q, "p3")
}

func TestPause_HoldsEverythingBackButRequiredProofsAndUrgentClaims(t *testing.T) {
	q := mustNew(t, 8, backlogFunc(empty))
	q.Advance(5)
	for reason := range Reason(reasons) {
		q.Add(claim("claim"))
		q.Add(Item[int]{Key: "look-up"})
		q.Pause(reason, "first")
		q.Pause(reason, "second")
		q.Pause(Disk, "second")
		mustWait(t, q)
		q.Add(Item[int]{Key: "proof", Priority: Priority{Duty: RequiredProof}})
		q.Add(Item[int]{Key: "last call", Priority: Priority{Duty: UrgentClaim}})
		q.Done(mustTake(t, q, "proof"))
		q.Done(mustTake(t, q, "last call"))
		mustWait(t, q)
		if paused := q.Stats().Paused; !slices.Contains(paused, Paused{reason, "second", 5}) {
			t.Errorf("paused by %v: %v", reason, paused)
		}
		q.Resume(reason)
		if reason != Disk {
			mustWait(t, q) // as long as one reason is left
		}
		q.Resume(Disk)
		q.Done(mustTake(t, q, "claim"))
		q.Done(mustTake(t, q, "look-up"))
	}
}

func TestResume_WakesWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustNew(t, 8, backlogFunc(empty))
		q.Pause(Operator, "0.4 POKT < 1.1 POKT")
		q.Add(claim("a"))
		taken := make(chan error, 1)
		go func() {
			_, err := q.Take(t.Context())
			taken <- err
		}()
		synctest.Wait()
		if len(taken) > 0 {
			t.Error("taken while paused")
		}
		q.Resume(Operator)
		if err := <-taken; err != nil {
			t.Error(err)
		}
	})
}

func TestReset_DropsResultsOfThePast(t *testing.T) {
	s := &stored{items: []Item[int]{claim("a"), claim("b"), claim("c")}}
	q := mustNew(t, 8, s)
	a, b := mustTake(t, q, "a"), mustTake(t, q, "b")
	q.Retry(b, 100)
	if gen := q.Reset(); gen != 2 || a.Generation != 1 || q.Valid(a) {
		t.Errorf("generation %d after %d, the past is valid: %v", gen, a.Generation, q.Valid(a))
	}
	if item := mustTake(t, q, "b"); item.Generation != 2 || item.Attempts != 0 {
		t.Errorf("%+v", item) // it waits for no height of the past
	}
	mustTake(t, q, "c")
	mustWait(t, q) // a is worked on still
	q.Done(a)
	mustTake(t, q, "a")
	q.Done(a) // again
	if s := q.Stats(); s.Stale != 2 || s.Done != 0 || s.Working != 3 {
		t.Errorf("%+v", s)
	}
}

func TestStats_ShowTheOldestDeadline(t *testing.T) {
	q := mustNew(t, 8, backlogFunc(empty))
	for key, deadline := range map[string]int64{"none": 0, "later": 30, "soon": 20} {
		item := claim(key)
		item.Deadline = deadline
		q.Add(item)
	}
	item := mustTake(t, q, "soon")
	if s := q.Stats(); s.OldestDeadline != 20 || s.Waiting != 2 || s.Working != 1 {
		t.Errorf("%+v", s)
	}
	q.Retry(item, 3)
	if keys := q.First(3); keys[0].Key != "later" || keys[1].Key != "none" || keys[2].Key != "soon" || len(q.First(1)) != 1 {
		t.Errorf("first %v", keys)
	}
}

func TestWork_SurvivesPanicsAndErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("disk")
		failing := backlogFunc(func(context.Context, int, func(string) bool) ([]Item[int], error) { return nil, broken })
		q := mustNew(t, 8, failing)
		q.Add(claim("a"))
		var reported []error
		attempts := 0
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- q.Work(ctx, func(_ context.Context, item Item[int]) int64 {
				if attempts++; item.Attempts == 0 {
					panic("bug")
				}
				return 0
			}, func(err error) { reported = append(reported, err) })
		}()
		synctest.Wait()
		if attempts != 1 {
			t.Errorf("%d attempts before the next height", attempts)
		}
		q.Advance(1)
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		var panicked *async.PanicError
		if attempts != 2 || len(reported) != 3 || !errors.Is(reported[0], broken) ||
			!errors.As(reported[1], &panicked) || !errors.Is(reported[2], broken) {
			t.Errorf("%d attempts, reported %v", attempts, reported)
		}
		if s := q.Stats(); s.Done != 1 || s.Working != 0 {
			t.Errorf("%+v", s)
		}
	})
}
