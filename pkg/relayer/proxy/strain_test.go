package proxy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestStrain_IsTooMuchOnlyWhenItLastsAndRelaysAreTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s strain
		many := calmPerCore*async.Cores() + 1
		long := maxStrain + time.Millisecond
		check := func(when string, inFlight int, want bool) {
			t.Helper()
			if wait, got := s.tooMuch(inFlight); got != want || got && wait != long {
				t.Errorf("%s: %v, %s", when, got, wait)
			}
		}
		s.note(long)
		check("after one long wait", many, false)
		s.note(2 * long)
		check("after two", many, true)
		check("with few relays", many-1, false)
		s.note(maxStrain)
		check("after a short one", many, false)
		s.sent.Store(time.Now().UnixNano())
		time.Sleep(2 * maxStrain)
		check("while something is on its way", many, false)
		time.Sleep(2 * time.Millisecond)
		check("while it is for long", many, true)
	})
}

func TestStrain_IsMeasuredUntilItIsStopped(t *testing.T) {
	var s strain
	group := async.NewGroup(t.Context())
	if err := group.Go("watch", s.watch); err != nil {
		t.Fatal(err)
	}
	for s.lasted.Load() == 0 { // the first of two waits counts as none
		time.Sleep(time.Millisecond)
	}
	if err := errors.Join(group.Stop(context.Background()), group.Err()); err != nil {
		t.Error(err)
	}
}

func TestPipeline_RefusesRelaysUnderStrain(t *testing.T) {
	p := &pipeline{receipts: &relayer.Receipts{}}
	many := calmPerCore*async.Cores() + 1
	if err := p.congested(many); err != nil {
		t.Errorf("without strain: %v", err)
	}
	p.strain.lasted.Store(int64(time.Second))
	if err := p.congested(many); !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("under strain: %v", err)
	}
}
