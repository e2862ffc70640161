package prover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// slow returns a prover that takes a second and counts in running how many work.
func slow(running, most *atomic.Int64) *scripted {
	return &scripted{result: func(context.Context) ([]byte, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for {
			if before := most.Load(); n <= before || most.CompareAndSwap(before, n) {
				break
			}
		}
		time.Sleep(time.Second)
		return []byte("proof"), nil
	}}
}

func TestPool_BuildsNoMoreAtOnceThanItHasProvers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		p := newPool(t, remoteMember("a", slow(&running, &most)), remoteMember("b", slow(&running, &most)),
			localMember("c", slow(&running, &most)))
		began := time.Now()
		var jobs sync.WaitGroup
		for i := range 8 {
			jobs.Go(func() {
				if _, err := prove(t.Context(), p, Job{Session: fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			})
		}
		jobs.Wait()
		if took := time.Since(began); took != 3*time.Second || most.Load() != 3 {
			t.Errorf("8 jobs of a second took 3 provers %v, %d at once", took, most.Load())
		}
		total := uint64(0)
		for _, s := range p.Stats() {
			total += s.Proofs
			if s.State != Idle || s.Median != time.Second || s.Failed != 0 {
				t.Errorf("%+v", s)
			}
		}
		if total != 8 {
			t.Errorf("%d proofs counted", total)
		}
	})
}

func TestPool_TheWorkOfAProverThatFailsGoesToAnother(t *testing.T) {
	broken := errors.New("no connection")
	for name, bad := range map[string]*scripted{
		"refuses":  {start: func(context.Context, Job) error { return broken }},
		"busy":     {start: func(context.Context, Job) error { return ErrBusy }},
		"fails":    {result: func(context.Context) ([]byte, error) { return nil, broken }},
		"lies":     {result: func(context.Context) ([]byte, error) { return nil, nil }},
		"panics":   {result: func(context.Context) ([]byte, error) { panic("bug") }},
		"hangs":    {result: func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }},
		"not here": {ready: func(context.Context) error { return broken }},
		"silent":   {ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good := &scripted{}
				p := newPool(t, remoteMember("bad", bad), localMember("good", good))
				if proof, err := prove(t.Context(), p, Job{Session: "s"}); err != nil || string(proof) != "proof" {
					t.Fatalf("%q, %v", proof, err)
				}
				if started, _ := good.seen(); !slices.Equal(started, []string{"s"}) {
					t.Errorf("the other one was given %v", started)
				}
				if s := p.Stats()[0]; s.State != Cooling || s.Error == "" || s.Session != "" {
					t.Errorf("%+v", s)
				}
				*bad = scripted{} // it recovers
				time.Sleep(time.Second)
				if _, err := prove(t.Context(), p, Job{Session: "next"}); err != nil {
					t.Fatal(err)
				}
				if s := p.Stats()[0]; s.State != Idle || s.Proofs != 1 || s.Error != "" {
					t.Errorf("back in the pool: %+v", s)
				}
			})
		})
	}
}

func TestPool_TellsASlowProverAtTheDeadlineThatItsJobIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := &scripted{result: func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }}
		p := newPool(t, remoteMember("hangs", hangs), localMember("local", &scripted{}))
		began := time.Now()
		if _, err := prove(t.Context(), p, Job{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("took %v", took)
		}
		if _, cancelled := hangs.seen(); cancelled != 1 {
			t.Errorf("cancelled %d times", cancelled)
		}
	})
}

func TestPool_ALocalProverTakesTheTimeItNeedsAndNeverCoolsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		local := &scripted{result: func(context.Context) ([]byte, error) {
			time.Sleep(time.Hour)
			if fail {
				return nil, ErrFailed
			}
			return []byte("proof"), nil
		}}
		p := newPool(t, localMember("local", local))
		for range 5 {
			if _, err := prove(t.Context(), p, Job{}); !errors.Is(err, ErrFailed) {
				t.Fatal(err)
			}
			if s := p.Stats()[0]; s.State != Idle {
				t.Fatalf("%+v", s)
			}
		}
		fail = false
		if _, err := prove(t.Context(), p, Job{}); err != nil {
			t.Error(err)
		}
	})
}

// A window has few blocks: not all of many provers that hang are waited for.
func TestPool_TurnsToLocalProversAfterTwoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var members []Member
		for i := range 5 {
			members = append(members, remoteMember(fmt.Sprint(i), &scripted{
				result: func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() },
			}))
		}
		p := newPool(t, append(members, localMember("local", &scripted{}))...)
		began := time.Now()
		if _, err := prove(t.Context(), p, Job{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 40*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestPool_PausesGrowToABoundAndEndWithAProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &scripted{ready: func(context.Context) error { return ErrAnswer }}
		p := newPool(t, remoteMember("bad", bad), localMember("local", &scripted{}))
		for i, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			want := Cooling
			if i >= 2 {
				want = Failed
			}
			if _, err := prove(t.Context(), p, Job{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause*time.Second - time.Nanosecond)
			if got := states(p)["bad"]; got != want {
				t.Fatalf("after failure %d and nearly %d seconds: %s, want %s", i+1, pause, got, want)
			}
			time.Sleep(time.Nanosecond)
			if got := states(p)["bad"]; got != Idle {
				t.Fatalf("after failure %d and %d seconds: %s", i+1, pause, got)
			}
		}
		bad.ready = nil
		if _, err := prove(t.Context(), p, Job{}); err != nil || p.Stats()[0].Proofs != 1 {
			t.Errorf("%v, %+v", err, p.Stats()[0])
		}
	})
}

// Nothing is prepared for a proof that nobody is free to build.
func TestAcquire_WaitsUntilAProverIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, localMember("local", &scripted{}))
		first, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		acquired := make(chan *Lease, 1)
		go func() {
			second, err := p.Acquire(t.Context())
			if err != nil {
				t.Error(err)
			}
			acquired <- second
		}()
		synctest.Wait()
		if len(acquired) > 0 {
			t.Error("acquired what is in use")
		}
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(enough)
		if _, err := p.Acquire(ctx); !errors.Is(err, enough) {
			t.Error(err)
		}
		first.Release()
		(<-acquired).Release()
	})
}

func TestAcquire_TakesAProverThatHasCooledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := &scripted{start: func(context.Context, Job) error { return ErrFailed }}
		p := newPool(t, remoteMember("remote", fail), localMember("local", &scripted{}))
		if _, err := prove(t.Context(), p, Job{}); err != nil {
			t.Fatal(err)
		}
		local, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer local.Release()
		began := time.Now()
		remote, err := p.Acquire(t.Context()) // nobody comes back meanwhile
		if err != nil {
			t.Fatal(err)
		}
		defer remote.Release()
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestProve_SaysWhatAllProversHaveFailedWith(t *testing.T) {
	lies := &scripted{result: func(context.Context) ([]byte, error) { return nil, nil }}
	fails := &scripted{result: func(context.Context) ([]byte, error) { return nil, ErrFailed }}
	p := newPool(t, localMember("a", lies), localMember("b", fails))
	_, err := prove(t.Context(), p, Job{Session: "s"})
	if !errors.Is(err, ErrWrongProof) || !errors.Is(err, ErrFailed) {
		t.Error(err)
	}
}

func TestProve_BlamesNobodyForLeavesThatCannotBeRead(t *testing.T) {
	first := &scripted{start: func(context.Context, Job) error { return fmt.Errorf("%w: disk", ErrLeaves) }}
	second := &scripted{}
	p := newPool(t, remoteMember("first", first), localMember("second", second))
	if _, err := prove(t.Context(), p, Job{}); !errors.Is(err, ErrLeaves) {
		t.Error(err)
	}
	if started, _ := second.seen(); len(started) > 0 || states(p)["first"] != Idle {
		t.Errorf("tried %v, %v", started, states(p))
	}
}

func TestProve_OfACancelledCallerLeavesTheProverBusyUntilItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		p := newPool(t, localMember("deaf", &scripted{result: func(context.Context) ([]byte, error) {
			<-back
			return nil, ErrFailed
		}}))
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() {
			_, err := prove(ctx, p, Job{Session: "s"})
			ended <- err
		}()
		synctest.Wait()
		enough := errors.New("enough")
		cancel(enough)
		if err := <-ended; !errors.Is(err, enough) {
			t.Error(err)
		}
		if s := p.Stats()[0]; s.State != Working || s.Session != "s" {
			t.Errorf("%+v", s)
		}
		close(back)
		synctest.Wait()
		if s := p.Stats()[0]; s.State != Idle || s.Failed != 0 {
			t.Errorf("blamed for it: %+v", s)
		}
	})
}

func TestLease_IsUsedOnce(t *testing.T) {
	p := newPool(t, localMember("local", &scripted{}))
	lease, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := states(p); !maps.Equal(got, map[string]State{"local": Working}) {
		t.Error(got)
	}
	lease.Release()
	lease.Release()
	if _, err := lease.Prove(t.Context(), Job{}); !errors.Is(err, ErrReleased) {
		t.Error(err)
	}
	if got := states(p)["local"]; got != Idle {
		t.Error(got)
	}
}

func TestNewPool_RefusesWhatCannotWork(t *testing.T) {
	verify := func(Job, []byte) error { return nil }
	log := slog.New(slog.DiscardHandler)
	local, remote := localMember("a", &scripted{}), remoteMember("a", &scripted{})
	for name, config := range map[string]Config{
		"no verification": {Members: []Member{local}, Log: log},
		"no log":          {Members: []Member{local}, Verify: verify},
		"no prover":       {Verify: verify, Log: log},
		"none is local":   {Members: []Member{remote}, Verify: verify, Log: log},
		"same name":       {Members: []Member{local, remote}, Verify: verify, Log: log},
		"no name":         {Members: []Member{local, remoteMember("", &scripted{})}, Verify: verify, Log: log},
		"nil":             {Members: []Member{local, remoteMember("b", nil)}, Verify: verify, Log: log},
	} {
		if _, err := NewPool(config); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLocal_BuildsRealProofs(t *testing.T) {
	local, err := NewLocal(Build)
	if err != nil {
		t.Fatal(err)
	}
	p := poolOf(t, Config{Members: []Member{localMember("local", local)}, Verify: Check})
	for i := range 3 {
		job := newJob(t, fmt.Sprint("session ", i), 100*i+1)
		if proof, err := prove(t.Context(), p, job); err != nil || Check(job, proof) != nil {
			t.Error(err)
		}
	}
	job := newJob(t, "damaged", 10)
	job.Root[0]++
	if _, err := prove(t.Context(), p, job); !errors.Is(err, trie.ErrRootMismatch) || !errors.Is(err, ErrFailed) {
		t.Error(err)
	}
}
