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

// reading lets a test act in the midst of a reading of the backlog.
func duringRead(t *testing.T, items []Item[int], act func(q *Queue[int])) *Queue[int] {
	t.Helper()
	var q *Queue[int]
	acted := false
	q = mustNew(t, 2, backlogFunc(func(_ context.Context, n int, known func(string) bool) ([]Item[int], error) {
		read := slices.DeleteFunc(slices.Clone(items), func(i Item[int]) bool { return known(i.Key) })
		if !acted {
			acted = true
			act(q)
		}
		return read[:min(n, len(read))], nil
	}))
	return q
}

func TestBacklog_DoesNotBringBackWhatEndedWhileItWasRead(t *testing.T) {
	stored := []Item[int]{claim("removed"), claim("done"), claim("kept")}
	q := duringRead(t, stored[:2], func(q *Queue[int]) {
		q.Remove("removed")
		q.Add(claim("done"))
		q.spill.dry = true // as if another worker took it before
		q.Done(mustTake(t, q, "done"))
		q.spill.dry = false
	})
	mustWait(t, q)
}

func TestBacklog_IsReadAnewWhenTooMuchHappenedMeanwhile(t *testing.T) {
	q := duringRead(t, []Item[int]{claim("kept")}, func(q *Queue[int]) {
		for _, key := range []string{"a", "b", "c"} {
			q.Remove(key)
		}
	})
	mustTake(t, q, "kept")
	mustWait(t, q)
}

func TestBacklog_IsReadAnewWhenResetMeanwhile(t *testing.T) {
	q := duringRead(t, []Item[int]{claim("kept")}, func(q *Queue[int]) { q.Reset() })
	if item := mustTake(t, q, "kept"); item.Generation != 2 {
		t.Errorf("%+v", item)
	}
	mustWait(t, q)
}

func TestBacklog_WhatIsForgottenWhileItIsReadIsReadLater(t *testing.T) {
	var stored []Item[int]
	var q *Queue[int]
	acted := false
	q = mustNew(t, 1, backlogFunc(func(_ context.Context, n int, known func(string) bool) ([]Item[int], error) {
		read := slices.DeleteFunc(slices.Clone(stored), func(i Item[int]) bool { return known(i.Key) })
		if !acted {
			acted = true
			stored = []Item[int]{claim("a"), claim("b")}
			q.Add(stored[0])
			q.Add(stored[1])
		}
		return read[:min(n, len(read))], nil
	}))
	for _, key := range []string{"a", "b"} {
		item := mustTake(t, q, key)
		stored = slices.DeleteFunc(stored, func(i Item[int]) bool { return i.Key == key })
		q.Done(item)
	}
	mustWait(t, q)
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
