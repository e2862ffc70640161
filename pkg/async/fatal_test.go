package async_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

func TestFatal_TellsOfTheFirstFailure(t *testing.T) {
	fatal := async.NewFatal()
	if err := fatal.Err(); err != nil {
		t.Errorf("before any failure: %v", err)
	}
	first := errors.New("first")
	fatal.Fail(first)
	fatal.Fail(errors.New("second"))
	select {
	case <-fatal.Failed():
	default:
		t.Error("nobody is told")
	}
	if err := fatal.Err(); !errors.Is(err, first) {
		t.Errorf("got %v", err)
	}
}

func TestGaveUp_IsTrueOfASupervisedFunctionOnly(t *testing.T) {
	fatal := async.NewFatal()
	group := async.NewGroup(t.Context(), async.OnFailure(func(_ string, err error) {
		if async.GaveUp(err) {
			fatal.Fail(err)
		}
	}))
	failing := func(context.Context) error { return errors.New("no") }
	if err := errors.Join(
		group.Go("once", failing),
		group.Wait(t.Context()),
	); err != nil {
		t.Fatal(err)
	}
	if err := fatal.Err(); err != nil {
		t.Errorf("a failure that nobody supervises: %v", err)
	}
	if err := group.Supervise("again", async.Restart{Attempts: 2, First: time.Nanosecond}, failing); err != nil {
		t.Fatal(err)
	}
	<-fatal.Failed()
	if err := group.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
