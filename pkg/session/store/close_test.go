package store

import (
	"context"
	"errors"
	"testing"
)

func TestClose_CommitsWhatIsQueued(t *testing.T) {
	for _, durability := range []Durability{Reply, Interval} {
		t.Run(durability.String(), func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Options{Durability: durability})
			release := blockCommitter(t, s)
			done := make(chan error, 1000)
			for i := range 1000 {
				if err := s.Append(session(1), leaf(i, 10), func(err error) { done <- err }); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("close with work to do and no time: %v", err)
			}
			if err := put(t, s, session(1), leaf(0, 0)); !errors.Is(err, ErrClosed) {
				t.Fatalf("append: %v", err)
			}
			release()
			closeStore(t, s)
			for range 1000 {
				if err := wait(t, done); err != nil {
					t.Fatal(err)
				}
			}
			for name, err := range map[string]error{
				"accepting": s.AcceptingErr(), "sync": s.Sync(context.Background()),
				"record": s.PutRecord(session(1), nil), "checkpoint": s.Checkpoint(dir + "x"),
			} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := s.Count(session(1)); !errors.Is(err, ErrClosed) {
				t.Errorf("count: %v", err)
			}
			s = open(t, dir, Options{})
			if n, err := s.Count(session(1)); n != 1000 || err != nil {
				t.Fatalf("%d leaves, %v", n, err)
			}
		})
	}
}

// A walk that is under way does not keep the store from closing for longer than
// one step.
func TestClose_EndsWalks(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for i := range 10 {
		mustPut(t, s, session(1), leaf(i, 10))
	}
	began := make(chan struct{})
	goOn := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		n := 0
		for _, err := range s.Leaves(session(1)) {
			if n++; n == 1 {
				close(began)
				<-goOn
				continue
			}
			result <- err
		}
		close(result)
	}()
	wait(t, began)
	closing := make(chan error, 1)
	go func() { closing <- s.Close(context.Background()) }()
	eventually(t, "close has begun", func() bool { return errors.Is(s.AcceptingErr(), ErrClosed) })
	select {
	case err := <-closing:
		t.Fatalf("closed under a walk: %v", err)
	default:
	}
	close(goOn)
	if err := wait(t, result); !errors.Is(err, ErrClosed) {
		t.Fatalf("the walk's next step: %v", err)
	}
	if err := wait(t, closing); err != nil {
		t.Fatal(err)
	}
}
