package queue

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func TestBacklog_IsReadAgainAtTheNextHeightWhenItFails(t *testing.T) {
	broken := errors.New("disk")
	err, asked := broken, 0
	q := mustNew(t, 2, backlogFunc(func(context.Context, int, func(string) bool) ([]Item[int], error) {
		asked++
		return []Item[int]{claim("stored")}, err
	}))
	q.Add(claim("memory"))
	var failure *BacklogError
	if _, err := q.Take(t.Context()); !errors.As(err, &failure) || !errors.Is(err, broken) {
		t.Fatalf("Take: %v", err)
	}
	mustTake(t, q, "memory")
	mustWait(t, q)
	if asked != 1 {
		t.Errorf("asked %d times at one height", asked)
	}
	err = nil
	q.Advance(1)
	mustTake(t, q, "stored")
}

func TestBacklog_ThatRepeatsItselfKeepsNoWorkerBusy(t *testing.T) {
	asked := 0
	q := mustNew(t, 1, backlogFunc(func(context.Context, int, func(string) bool) ([]Item[int], error) {
		asked++
		return []Item[int]{claim("a"), claim("a"), claim("a")}, nil
	}))
	mustTake(t, q, "a")
	mustWait(t, q)
	mustWait(t, q)
	if asked > 2 {
		t.Errorf("asked %d times", asked)
	}
}

// duringRead returns a queue with a bound, and the items of its backlog, which change
// in the midst of the first reading: what is read then is what was there before.
func duringRead(t *testing.T, bound int, before []Item[int], act func(q *Queue[int]) (after []Item[int])) *Queue[int] {
	t.Helper()
	var q *Queue[int]
	first, items := true, before
	q = mustNew(t, bound, backlogFunc(func(_ context.Context, n int, known func(string) bool) ([]Item[int], error) {
		read := slices.DeleteFunc(slices.Clone(items), func(i Item[int]) bool { return known(i.Key) })
		if first {
			first = false
			items = act(q)
		}
		return read[:min(n, len(read))], nil
	}))
	return q
}

func TestBacklog_DoesNotBringBackWhatEndedWhileItWasRead(t *testing.T) {
	stored := []Item[int]{claim("removed"), claim("done")}
	q := duringRead(t, 2, stored, func(q *Queue[int]) []Item[int] {
		q.Remove("removed")
		q.Add(claim("done"))
		q.spill.unread = false // as if a worker had taken it before
		q.Done(mustTake(t, q, "done"))
		return nil
	})
	mustWait(t, q)
}

func TestBacklog_IsReadAnewWhenTooMuchEndedMeanwhile(t *testing.T) {
	stored := []Item[int]{claim("a"), claim("kept")}
	q := duringRead(t, 2, stored, func(q *Queue[int]) []Item[int] {
		for _, key := range []string{"a", "b", "c"} {
			q.Remove(key)
		}
		return stored[1:]
	})
	mustTake(t, q, "kept")
	mustWait(t, q)
}

func TestBacklog_IsReadAnewWhenResetMeanwhile(t *testing.T) {
	stored := []Item[int]{claim("gone"), claim("kept")}
	q := duringRead(t, 2, stored, func(q *Queue[int]) []Item[int] {
		q.Reset()
		return stored[1:]
	})
	if item := mustTake(t, q, "kept"); item.Generation != 2 {
		t.Errorf("%+v", item)
	}
	mustWait(t, q)
}

func TestBacklog_WhatIsForgottenWhileItIsReadIsReadLater(t *testing.T) {
	q := duringRead(t, 1, nil, func(q *Queue[int]) []Item[int] {
		q.Add(claim("a"))
		q.Add(claim("b"))
		return []Item[int]{claim("b")}
	})
	q.Done(mustTake(t, q, "a"))
	mustTake(t, q, "b")
	mustWait(t, q)
}

func worth(key string, reward int64) Item[int] {
	return Item[int]{Key: key, Priority: Priority{Duty: Claim, Reward: reward}}
}

// Before the backlog was read for the first time, nobody knows what is urgent.
func TestBacklog_IsReadBeforeAnythingIsGivenOut(t *testing.T) {
	stored := []Item[int]{worth("urgent", 10)}
	q := duringRead(t, 4, stored, func(q *Queue[int]) []Item[int] {
		q.Add(worth("petty", 1))
		mustWait(t, q) // as another worker
		return append(stored, worth("petty", 1))
	})
	mustTake(t, q, "urgent")
	mustTake(t, q, "petty")
}

func TestBacklog_WhatWasNotReadYetGoesBeforeLessUrgentNews(t *testing.T) {
	stored := []Item[int]{worth("a", 10), worth("b", 9), worth("c", 8), worth("d", 7), worth("e", 6)}
	petty := []Item[int]{worth("x", 3), worth("y", 2), worth("z", 1)}
	q := duringRead(t, 4, stored, func(q *Queue[int]) []Item[int] {
		for i := range petty {
			q.Add(petty[i])
			q.Remove(stored[i].Key)
		}
		return append(stored[3:], petty...)
	})
	for _, key := range []string{"d", "e", "x"} {
		mustTake(t, q, key)
	}
}

// As long as the backlog is not asked, workers are not idle for its sake.
func TestBacklog_DoesNotHoldUpOthersWhileItIsNotRead(t *testing.T) {
	s := &stored{items: []Item[int]{worth("a", 10), worth("b", 9), worth("c", 8)}}
	q := mustNew(t, 1, s)
	q.Retry(mustTake(t, q, "a"), 5)
	q.Retry(mustTake(t, q, "b"), 5) // more than may wait for a height
	mustWait(t, q)
	q.Add(worth("petty", 1))
	mustTake(t, q, "petty")
}

// A worker that is stopped while it reads, or whose reading panics, leaves it to the
// others.
func TestBacklog_IsReadByAnotherWorkerWhenTheFirstIsStopped(t *testing.T) {
	for name, end := range map[string]func(context.Context) error{
		"stopped": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"panics":  func(ctx context.Context) error { <-ctx.Done(); panic("bug") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := true
				q := mustNew(t, 2, backlogFunc(func(ctx context.Context, _ int, _ func(string) bool) ([]Item[int], error) {
					if first {
						first = false
						return nil, end(ctx)
					}
					return []Item[int]{claim("a")}, nil
				}))
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					defer func() { _ = recover() }()
					if _, err := q.Take(ctx); !errors.Is(err, context.Canceled) {
						t.Errorf("the stopped worker: %v", err)
					}
				}()
				synctest.Wait()
				taken := make(chan Item[int])
				go func() {
					item, err := q.Take(t.Context())
					if err != nil {
						t.Error(err)
					}
					taken <- item
				}()
				synctest.Wait()
				cancel()
				if item := <-taken; item.Key != "a" {
					t.Errorf("took %+v", item)
				}
			})
		})
	}
}
