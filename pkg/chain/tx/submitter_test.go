package tx

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

const testPatience = 20 * time.Second

func newTestSubmitter(t testing.TB, c *fakeChain, opts Options) *Submitter {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	s, err := NewSubmitter(c, c, testKey, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func await(t testing.TB, out <-chan relayer.Outcome) (relayer.Outcome, bool) {
	t.Helper()
	select {
	case o, ok := <-out:
		return o, ok
	case <-time.After(testPatience):
		t.Fatal("no outcome in time")
		return relayer.Outcome{}, false
	}
}

// produce makes blocks until stopped.
func produce(t testing.TB, c *fakeChain, every time.Duration) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var producer sync.WaitGroup
	producer.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.next()
			case <-done:
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		producer.Wait()
	})
}

func TestSubmitter_SubmissionsOfAMomentShareATransaction(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Second})
	var outs []<-chan relayer.Outcome
	for i := range 30 {
		sub, _ := c.submission(i, 1000)
		out, err := s.Submit(t.Context(), sub)
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
	}
	defer produce(t, c, 20*time.Millisecond)()
	for _, out := range outs {
		if o, ok := await(t, out); !ok || o.State != relayer.InForce {
			t.Fatalf("outcome %+v", o)
		}
	}
	if stats := s.Stats(); stats.Attempts != 1 || stats.InForce != 30 || stats.Pending != 0 || stats.Signers != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestSubmitter_SignersDoNotWaitForEachOther(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond, Concurrency: 2, CallTimeout: testPatience})
	stuck, _ := c.submission(0, 1000)
	asked, release := make(chan struct{}), make(chan struct{})
	stuck.InForce = func(context.Context) (bool, error) {
		close(asked)
		<-release
		return true, nil
	}
	stuckOut, err := s.Submit(t.Context(), stuck)
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	other, _ := c.submission(1, 1000)
	other.Signer = "another"
	out, err := s.Submit(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	defer produce(t, c, 5*time.Millisecond)()
	if o, _ := await(t, out); o.State != relayer.InForce {
		t.Errorf("outcome %+v", o)
	}
	close(release)
	if o, _ := await(t, stuckOut); o.State != relayer.InForce {
		t.Errorf("outcome %+v", o)
	}
}

func TestSubmitter_StopClosesChannelsWithoutOutcome(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond})
	var outs []<-chan relayer.Outcome
	for i := range 10 {
		sub, _ := c.submission(i, 1000)
		out, err := s.Submit(t.Context(), sub)
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, out := range outs {
		if o, ok := await(t, out); ok {
			t.Errorf("outcome %+v", o)
		}
	}
	sub, _ := c.submission(99, 1000)
	if _, err := s.Submit(t.Context(), sub); !errors.Is(err, ErrStopped) {
		t.Errorf("submit after stop: %v", err)
	}
	if stats := s.Stats(); stats.Pending != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestSubmitter_PanicOfACallersFunctionEndsTheSignerAndTheNextSubmissionHasANewOne(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond})
	defer produce(t, c, 5*time.Millisecond)()
	broken, _ := c.submission(1, 1000)
	broken.InForce = func(context.Context) (bool, error) { panic("broken") }
	out, err := s.Submit(t.Context(), broken)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := await(t, out); ok {
		t.Errorf("outcome %+v", o)
	}
	sub, _ := c.submission(1, 1000) // with the same key
	if out, err = s.Submit(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	if o, _ := await(t, out); o.State != relayer.InForce {
		t.Errorf("outcome %+v", o)
	}
}

// fewKeys has the keys of some addresses only.
type fewKeys map[string]*secp256k1.PrivKey

func (k fewKeys) Signer(address string) (cryptotypes.PrivKey, bool) {
	key, ok := k[address]
	return key, ok
}

func TestSubmit_RefusesWhatItCannotTakeChargeOf(t *testing.T) {
	c := newFakeChain()
	s, err := NewSubmitter(c, c, fewKeys{testSigner(): testKey.PrivKey}, Options{MaxPending: 2, Linger: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	valid := func(n int) *relayer.Submission {
		sub, _ := c.submission(n, 1000)
		return sub
	}
	change := func(f func(*relayer.Submission)) *relayer.Submission {
		sub := valid(50)
		f(sub)
		return sub
	}
	if _, err := s.Submit(t.Context(), valid(1)); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		sub  *relayer.Submission
		want error
	}{
		{"nothing", t.Context(), nil, ErrInvalidSubmission},
		{"no key", t.Context(), change(func(s *relayer.Submission) { s.Key = "" }), ErrInvalidSubmission},
		{"no signer", t.Context(), change(func(s *relayer.Submission) { s.Signer = "" }), ErrInvalidSubmission},
		{"no message", t.Context(), change(func(s *relayer.Submission) { s.Msg = nil }), ErrInvalidSubmission},
		{"no state", t.Context(), change(func(s *relayer.Submission) { s.InForce = nil }), ErrInvalidSubmission},
		{"no record", t.Context(), change(func(s *relayer.Submission) { s.Record = nil }), ErrInvalidSubmission},
		{"no deadline", t.Context(), change(func(s *relayer.Submission) { s.Deadline = 0 }), ErrInvalidSubmission},
		{"unknown signer", t.Context(), change(func(s *relayer.Submission) { s.Signer = "stranger" }), ErrNoKey},
		{"caller has gone", gone, valid(50), context.Canceled},
		{"in progress", t.Context(), valid(1), ErrInProgress},
	} {
		if _, err := s.Submit(test.ctx, test.sub); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if _, err := s.Submit(t.Context(), valid(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Submit(t.Context(), valid(3)); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
}

func TestSubmit_KeyIsFreeAgainAfterTheOutcome(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond})
	defer produce(t, c, 5*time.Millisecond)()
	for range 3 {
		sub, _ := c.submission(1, 1000)
		out, err := s.Submit(t.Context(), sub)
		if err != nil {
			t.Fatal(err)
		}
		if o, _ := await(t, out); o.State != relayer.InForce {
			t.Fatalf("outcome %+v", o)
		}
	}
	sub, _ := c.submission(1, 1000)
	if n := c.tookEffect(recipientOf(sub)); n != 1 {
		t.Errorf("took effect %d times", n)
	}
}

func TestNewSubmitter_MissingPartIsAnError(t *testing.T) {
	c := newFakeChain()
	for name, err := range map[string]error{
		"node":    second(NewSubmitter(nil, c, testKey, Options{})),
		"blocks":  second(NewSubmitter(c, nil, testKey, Options{})),
		"keys":    second(NewSubmitter(c, c, nil, Options{})),
		"options": second(NewSubmitter(c, c, testKey, Options{GasPrices: "?"})),
	} {
		if !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
