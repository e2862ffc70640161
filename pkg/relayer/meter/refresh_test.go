package meter

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

func TestRefresh_StakeIsFollowedBlockByBlock(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	if n := w.serve(m, 1, 100); n != 5 {
		t.Fatalf("%d relays", n)
	}
	w.set(func() { w.stake = 1400 })
	w.at(m, 2)
	if n := w.serve(m, 1, 100); n != 2 {
		t.Errorf("%d more relays after a top-up that pays two", n)
	}
	w.set(func() { w.stake = 10 })
	w.at(m, 3)
	if n := w.serve(m, 1, 100); n != 0 {
		t.Errorf("%d more relays after the stake has fallen", n)
	}
	if n := w.count("application"); n != 3 {
		t.Errorf("asked for the application %d times in three blocks", n)
	}
}

func TestRefresh_InflationIsFollowed(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, 1)
	w.set(func() { w.inflation = 0.25 })
	w.at(m, 2)
	if n := w.serve(m, 1, 100); n != 3 { // 500/1.25 pays four
		t.Errorf("%d more relays", n)
	}
}

func TestRefresh_FailedLookupKeepsTheLastAnswer(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, 1)
	w.set(func() { w.broken["application"], w.broken["tokenomics"] = errDown, errDown })
	w.at(m, 2)
	if n := w.serve(m, 1, 100); n != 4 {
		t.Errorf("%d more relays while the node is down", n)
	}
	if s := m.Stats(); s.RefreshFailures != 2 {
		t.Errorf("counted %+v", s)
	}
}

func TestRefresh_FailedLookupAtASettlementDoesNotForgetWhatWasOwed(t *testing.T) {
	w := newWorld(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, 6)
	w.serve(m, 11, 1)
	w.set(func() { w.broken["application"] = errDown })
	w.at(m, 21) // settles the first session
	if n := w.serve(m, 21, 100); n != 3 {
		t.Errorf("%d relays of ten, of which seven were served before", n)
	}
}

func TestRefresh_WhatEarlierSessionsOweIsTakenOffUntilTheyAreSettled(t *testing.T) {
	w := newWorld(t) // one session pending
	m := w.meter(config.Config{})
	if n := w.serve(m, 1, 6); n != 6 {
		t.Fatalf("%d relays", n)
	}
	if n := w.serve(m, 11, 100); n != 4 {
		t.Errorf("%d relays in the next session, the stake is 1000 and 600 are owed", n)
	}
	// Block 21 settles the first session; the second is settled with 31.
	w.set(func() { w.stake = 400 })
	w.at(m, 21)
	if n := w.serve(m, 11, 100); n != 0 {
		t.Errorf("%d more relays after the settlement", n)
	}
	if n := w.serve(m, 21, 100); n != 0 {
		t.Errorf("%d relays in the third session", n)
	}
}

func TestRefresh_ClaimThatIsNotSettledGivesItsBudgetBack(t *testing.T) {
	w := newWorld(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, 10)
	if n := w.serve(m, 11, 100); n != 0 {
		t.Fatalf("%d relays", n)
	}
	w.at(m, 21) // and the stake is what it was
	if n := w.serve(m, 11, 100); n != 10 {
		t.Errorf("%d relays", n)
	}
}

func TestRefresh_AccountEndsWithItsSettlement(t *testing.T) {
	w := newWorld(t)
	m := w.meter(config.Config{})
	r, err := reserve(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.at(m, 20)
	if s := m.Stats(); s.Accounts != 1 {
		t.Errorf("before the settlement: %+v", s)
	}
	w.at(m, 21)
	if s := m.Stats(); s.Accounts != 0 || s.Applications != 0 {
		t.Errorf("after the settlement: %+v", s)
	}
	r.Refund()
}

// prepare has the session at a height prepared.
func (w *world) prepare(m *Meter, height int64) error {
	w.t.Helper()
	session, err := w.Session(context.Background(), app, headerAt(height).ServiceId, height)
	if err != nil {
		w.t.Fatal(err)
	}
	return m.Prepare(context.Background(), session)
}

func TestPrepare_FirstRelayOfTheSessionWaitsForNothing(t *testing.T) {
	w := newWorld(t)
	w.suppliers = []string{supplier, "pokt1stranger"}
	m := w.meter(config.Config{}, WithSuppliers(supplier))
	for range 2 { // it may be repeated
		if err := w.prepare(m, 11); err != nil {
			t.Fatal(err)
		}
	}
	if s := m.Stats(); s.Accounts != 1 {
		t.Errorf("opened for the supplier: %+v", s)
	}
	w.set(func() {
		for _, question := range []string{"session", "shared", "application", "tokenomics", "store"} {
			w.broken[question] = errDown
		}
	})
	if n := w.serve(m, 11, 1); n != 1 {
		t.Error("the first relay of the session is refused")
	}
}

func TestPrepare_SaysThatTheChainOrTheStoreCouldNotBeAsked(t *testing.T) {
	for _, question := range []string{"application", "shared", "tokenomics", "store"} {
		w := newWorld(t)
		m := w.meter(config.Config{}, WithSuppliers(supplier))
		w.set(func() { w.broken[question] = errDown })
		if err := w.prepare(m, 11); !errors.Is(err, relayer.ErrInternal) {
			t.Errorf("%s: %v", question, err)
		}
		w.set(func() { delete(w.broken, question) })
		if err := w.prepare(m, 11); err != nil {
			t.Errorf("%s, again: %v", question, err)
		}
	}
}

func TestRefresh_ApplicationOutOfUseIsForgotten(t *testing.T) {
	w := newWorld(t)
	m := w.meter(config.Config{}, WithSuppliers(supplier))
	w.serve(m, 1, 1)
	for height := int64(2); height <= 41; height++ {
		w.at(m, height)
	}
	if s := m.Stats(); s.Accounts != 0 || s.Applications != 0 {
		t.Errorf("still metered: %+v", s)
	}
}

func TestStart_FollowsBlocks(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, 1)
	m.Start()
	w.set(func() { w.hold, w.arrived = make(chan struct{}), make(chan string, 10) })
	w.commit(2)
	select {
	case <-w.arrived: // a lookup that no relay asked for
	case <-time.After(patience):
		t.Fatal("the block is not worked on")
	}
	if _, err := reserve(m, 1); err != nil {
		t.Errorf("a relay during the lookup: %v", err)
	}
	close(w.hold)
}

func TestStart_SessionsLeftByAnEarlierProcessAreOwedFor(t *testing.T) {
	w := newWorld(t)
	w.commit(11)
	w.stored[accountKey{headerAt(1).SessionId, supplier}] = 7 * cost
	m := w.meter(config.Config{})
	m.Start(Unsettled{headerAt(1), supplier})
	if n := w.serve(m, 11, 100); n != 3 {
		t.Errorf("%d relays of ten, of which seven are owed for", n)
	}
}

// restarted returns a meter of a process to which an earlier one has left a session of
// seven relays, which was looked up in vain: that has failed with err.
func (w *world) restarted(err error) *Meter {
	w.t.Helper()
	w.latest = &relayer.Block{Height: 11}
	w.stored[accountKey{headerAt(1).SessionId, supplier}] = 7 * cost
	w.broken["session"] = err
	m := w.meter(config.Config{})
	m.Start(Unsettled{headerAt(1), supplier})
	if _, got := reserve(m, 11); !errors.Is(got, err) { // a relay waits for the end of that
		w.t.Fatalf("got %v, want %v", got, err)
	}
	w.set(func() { clear(w.broken) })
	return m
}

func TestStart_SessionsLeftThatCouldNotBeLookedUpAreOwedForWithTheNextBlock(t *testing.T) {
	w := newWorld(t)
	m := w.restarted(errDown)
	w.at(m, 12)
	if n := w.serve(m, 11, 100); n != 3 {
		t.Errorf("%d relays of ten, of which seven are owed for", n)
	}
	asked := w.count("store")
	if w.at(m, 13); w.count("store") != asked {
		t.Error("looked up again")
	}
}

func TestStart_SessionLeftOfAnApplicationThatIsGoneIsNotLookedUpAgain(t *testing.T) {
	w := newWorld(t)
	m := w.restarted(relayer.ErrNotFound)
	asked := w.count("session")
	if w.at(m, 12); w.count("session") != asked {
		t.Error("looked up again")
	}
}

func TestOpen_StakeThatShowsASettlementIsNotChargedForItAgain(t *testing.T) {
	w := newWorld(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, 6)
	// Block 21 settles the session, and is not worked on yet.
	w.set(func() { w.latest, w.stake = &relayer.Block{Height: 21}, 400 })
	if n := w.serve(m, 21, 100); n != 4 {
		t.Errorf("%d relays, the stake pays four", n)
	}
}

// A stake from before a settlement is not taken for what is left after it.
func TestOpen_StakeFromBeforeASettlementIsChargedForIt(t *testing.T) {
	for name, workedOn := range map[string]bool{"block arrives": false, "block arrives and is worked on": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.meter(config.Config{})
			w.serve(m, 1, 6)
			w.set(func() {
				w.latest = &relayer.Block{Height: 20}
				w.onTheWay = func() {
					w.set(func() { w.latest, w.stake = &relayer.Block{Height: 21}, 400 })
					if workedOn {
						w.at(m, 21)
					}
				}
			})
			if n := w.serve(m, 21, 100); n != 4 {
				t.Errorf("%d relays, the stake pays four", n)
			}
		})
	}
}

func TestOpen_StakeFromBeforeASettlementDoesNotReplaceWhatIsKnownOfIt(t *testing.T) {
	w := newWorld(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, 6)
	w.serve(m, 11, 1)
	w.at(m, 20)
	w.set(func() {
		w.onTheWay = func() {
			w.set(func() { w.broken["application"] = errDown })
			w.at(m, 21)
			w.set(func() { delete(w.broken, "application") })
		}
	})
	if n := w.serve(m, 21, 100); n != 3 {
		t.Errorf("%d relays of ten, of which seven were served before", n)
	}
}

func TestOpen_IsDoneOnceForAllWhoWait(t *testing.T) {
	w := newWorld(t)
	w.hold, w.arrived = make(chan struct{}), make(chan string, 10)
	m := w.meter(config.Config{})
	first, err := m.depart(headerAt(1), supplier)
	if err != nil {
		t.Fatal(err)
	}
	<-w.arrived
	second, err := m.depart(headerAt(1), supplier)
	if err != nil || first != second {
		t.Errorf("opened twice at once: %v", err)
	}
	close(w.hold)
	<-first.landed
}

func TestReserve_IsNotHeldUpByASlowNode(t *testing.T) {
	w := newPayable(t)
	m := w.meter(config.Config{})
	w.serve(m, 1, 1)
	w.hold, w.arrived = make(chan struct{}), make(chan string, 10)
	refreshed := make(chan struct{})
	go func() { // awaited below
		defer close(refreshed)
		w.at(m, 2)
	}()
	<-w.arrived
	if n := w.serve(m, 1, 100); n != 4 {
		t.Errorf("%d relays while the node is silent", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Reserve(ctx, headerAt(1), "pokt1other", cost); errors.Is(err, relayer.ErrRateLimited) {
		t.Errorf("a relay of an unknown account: %v", err)
	}
	close(w.hold)
	<-refreshed
}
