package tx

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// stopping calls Stop and returns what it returns, when it does.
func stopping(ctx context.Context, s *Submitter) <-chan error {
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(ctx) }()
	return stopped
}

// sendOne submits a message and waits until its transaction is in the mempool.
func sendOne(t *testing.T, c *fakeChain, s *Submitter) (<-chan relayer.Outcome, *fakeLedger) {
	t.Helper()
	sub, ledger := c.submission(1, 1000)
	out, err := s.Submit(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	c.untilSent()
	return out, ledger
}

func TestStop_FollowsWhatIsUnderWayAndSendsNothingNew(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond, StopPatience: testPatience})
	out, ledger := sendOne(t, c, s)
	unsent, _ := c.submission(2, 1000)
	stopped := stopping(t.Context(), s)
	<-s.parting
	if _, err := s.Submit(t.Context(), unsent); !errors.Is(err, ErrStopped) {
		t.Errorf("submit while stopping: %v", err)
	}
	c.next()
	if o, ok := await(t, out); !ok || o.State != relayer.InForce {
		t.Errorf("outcome %+v, %v", o, ok)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if all := ledger.all(); len(all) != 1 || all[0].Included == 0 {
		t.Errorf("recorded %+v", all)
	}
}

func TestStop_ParksWhatIsNotIncludedInTime(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond, StopPatience: 20 * time.Millisecond})
	out, ledger := sendOne(t, c, s)
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if o, ok := await(t, out); ok {
		t.Errorf("outcome %+v", o)
	}
	if all := ledger.all(); len(all) != 1 || len(all[0].TxBytes) == 0 {
		t.Errorf("recorded %+v, without what the next process sends again", all)
	}
}

func TestStop_WaitsNoLongerThanItsContext(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond, StopPatience: time.Hour})
	out, _ := sendOne(t, c, s)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := stopping(ctx, s)
	<-s.parting
	cancel()
	select {
	case <-stopped: // with the context's error, unless the signers were quicker
	case <-time.After(testPatience):
		t.Fatal("Stop does not return")
	}
	if o, ok := await(t, out); ok {
		t.Errorf("outcome %+v", o)
	}
	s.StopPatience = 0 // for the cleanup, which stops again
}

func TestStop_DoesNotWaitForWhatIsNotUnderWay(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Hour, StopPatience: time.Hour})
	sub, ledger := c.submission(1, 1000)
	out, err := s.Submit(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-stopping(t.Context(), s):
		if err != nil {
			t.Error(err)
		}
	case <-time.After(testPatience):
		t.Fatal("Stop waits")
	}
	if o, ok := await(t, out); ok || len(ledger.all()) != 0 {
		t.Errorf("outcome %+v, recorded %+v", o, ledger.all())
	}
}

func TestStop_OutcomeAndRecordOfWhatLandsAreDeliveredAndTheRestIsParked(t *testing.T) {
	c := newFakeChain()
	c.lag = 1
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond, MaxMessages: 1, StopPatience: time.Hour})
	landing, landed := c.submission(1, 1000)
	parked, open := c.submission(2, 1000)
	c.onInclude = func(tx *fakeTx) (bool, uint32) { return tx.recipients[0] == recipientOf(landing), 0 }
	sent := make(chan struct{}, 100)
	c.onBroadcast = func(*fakeTx) (bool, error) { sent <- struct{}{}; return true, nil }
	records := make(chan struct{}, 100)
	landed.fail = func() error { records <- struct{}{}; return nil }
	var outs []<-chan relayer.Outcome
	for _, sub := range []*relayer.Submission{landing, parked} {
		out, err := s.Submit(t.Context(), sub)
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
		<-sent
	}
	<-records
	ctx, cancel := context.WithCancel(t.Context())
	stopped := stopping(ctx, s)
	<-s.parting
	c.next() // has the first, which the state does not show yet
	included := c.Latest().Height
	<-records
	c.next()
	if o, ok := await(t, outs[0]); !ok || o.State != relayer.InForce {
		t.Errorf("outcome %+v, %v", o, ok)
	}
	cancel()
	<-stopped
	if o, ok := await(t, outs[1]); ok {
		t.Errorf("outcome %+v", o)
	}
	if a := landed.all(); len(a) != 1 || a[0].Included != included {
		t.Errorf("recorded %+v, want it included at %d", a, included)
	}
	if a := open.all(); len(a) != 1 || len(a[0].TxBytes) == 0 {
		t.Errorf("recorded %+v, without what the next process sends again", a)
	}
	s.StopPatience = 0 // for the cleanup, which stops again
}

func TestStop_FollowsWhatAFormerProcessHasSentThoughItWasNotTakenUpYet(t *testing.T) {
	c := newFakeChain()
	first := newTestSubmitter(t, c, Options{Linger: time.Millisecond})
	_, ledger := sendOne(t, c, first)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := newTestSubmitter(t, c, Options{Linger: time.Hour, StopPatience: testPatience})
	sub, _ := c.submission(1, 1000)
	sub.Prior, sub.Record = ledger.all(), ledger.record
	out, err := s.Submit(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	stopped := stopping(t.Context(), s)
	<-s.parting
	c.next()
	if o, ok := await(t, out); !ok || o.State != relayer.InForce {
		t.Errorf("outcome %+v, %v", o, ok)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestStop_SendsAgainWhatIsUnderWayThoughTheNodeWasBusyBefore(t *testing.T) {
	c := newFakeChain()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond, MaxMessages: 1, StopPatience: testPatience})
	lost, _ := c.submission(1, 900)
	unsent, _ := c.submission(2, 1000)
	refused, sentAgain := make(chan struct{}, 100), make(chan struct{}, 100)
	sent := 0
	c.onBroadcast = func(tx *fakeTx) (deliver bool, reply error) {
		if tx.recipients[0] != recipientOf(lost) {
			refused <- struct{}{}
			return false, &chain.Refusal{Codespace: "sdk", Code: 20, Log: "mempool is full"}
		}
		if sent++; sent > 1 {
			sentAgain <- struct{}{}
		}
		return sent > 1, nil
	}
	var outs []<-chan relayer.Outcome
	for _, sub := range []*relayer.Submission{lost, unsent} {
		out, err := s.Submit(t.Context(), sub)
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
	}
	<-refused
	stopped := stopping(t.Context(), s)
	<-s.parting
	c.next()
	select {
	case <-sentAgain:
	case <-time.After(testPatience):
		t.Fatal("not sent again")
	}
	c.next()
	if o, ok := await(t, outs[0]); !ok || o.State != relayer.InForce {
		t.Errorf("outcome %+v, %v", o, ok)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
