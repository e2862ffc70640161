package prover

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

func TestStop_CancelsWorkAndTellsProvers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
		a, b := &scripted{result: hang}, &scripted{result: hang}
		p := newPool(t, remoteMember("a", a), localMember("b", b))
		ended := make(chan error, 3)
		for range 3 { // the third has to wait
			go func() {
				_, err := prove(t.Context(), p, Job{})
				ended <- err
			}()
		}
		synctest.Wait()
		mustStop(t, p)
		for range 3 {
			if err := <-ended; !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		}
		for _, s := range []*scripted{a, b} {
			if _, cancelled := s.seen(); cancelled != 1 {
				t.Errorf("cancelled %d times", cancelled)
			}
		}
		if _, err := p.Acquire(t.Context()); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
	})
}

// mute cannot be told anything.
type mute struct{ scripted }

func (*mute) Cancel(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }

func TestStop_DoesNotWaitLongForProversThatCannotBeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mute{}
		m.result = func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
		p := newPool(t, localMember("mute", m))
		go func() { _, _ = prove(t.Context(), p, Job{}) }()
		synctest.Wait()
		began := time.Now()
		mustStop(t, p)
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestStop_NamesWhatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		p := newPool(t, localMember("deaf", &scripted{result: func(context.Context) ([]byte, error) {
			<-back
			return nil, ErrFailed
		}}))
		go func() { _, _ = prove(t.Context(), p, Job{Session: "s"}) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var survivors *async.SurvivorsError
		if err := p.Stop(ctx); !errors.As(err, &survivors) || !slices.Equal(survivors.Names, []string{"prove s on deaf"}) {
			t.Error(err)
		}
		close(back)
	})
}

func TestStop_EndsTheWaitForAProver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, localMember("local", &scripted{}))
		lease, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() {
			_, err := p.Acquire(t.Context())
			ended <- err
		}()
		synctest.Wait()
		mustStop(t, p)
		if err := <-ended; !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		if _, err := lease.Prove(t.Context(), Job{}); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		if got := states(p)["local"]; got != Idle {
			t.Error(got)
		}
	})
}
