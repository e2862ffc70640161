package chain

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestPrefetcher_RelayOfAnApplicationSeenBeforeWaitsForNoQuestionInTheNextSession(t *testing.T) {
	w := newSessionWorld(t, "first", "second", "late")
	p := w.prefetcher(t)
	w.commit(t, 15)
	if n := w.relay(t, "first", 11); n == 0 {
		t.Fatal("nothing is asked in the first session: the test measures nothing")
	}
	w.relay(t, "second", 11)
	w.commit(t, 21)
	until(t, func() bool { return p.prepared.Load() == 21 })
	for _, relay := range []struct {
		application string
		start       int64
	}{{"first", 21}, {"second", 21}, {"first", 11}} { // the last in its grace period
		if n := w.relay(t, relay.application, relay.start); n != 0 {
			t.Errorf("relay of %s in the session from %d waited for %d questions", relay.application, relay.start, n)
		}
	}
	// Its session, its record and its key; what concerns all is there.
	if n := w.relay(t, "late", 21); n != 3 {
		t.Errorf("an application that was not seen before takes %d questions", n)
	}
}

// A relay that waited for nothing counts as one, though it has asked for nothing.
func TestPrefetcher_ApplicationInUseIsPreparedForInEachSession(t *testing.T) {
	w := newSessionWorld(t, "app")
	p := w.prefetcher(t)
	w.commit(t, 15)
	w.relay(t, "app", 11)
	for start := int64(21); start <= 11+3*idleSessions*sessionBlocks; start += sessionBlocks {
		w.commit(t, start)
		until(t, func() bool { return p.prepared.Load() == start })
		if n := w.relay(t, "app", start); n != 0 {
			t.Errorf("relay in the session from %d waited for %d questions", start, n)
		}
	}
}

func TestPrefetcher_FewApplicationsAreAskedAboutAtOnce(t *testing.T) {
	const applications = 4 * prefetchWorkers
	var names []string
	for i := range applications {
		names = append(names, fmt.Sprintf("app%d", i))
	}
	w := newSessionWorld(t, names...)
	w.commit(t, 15)
	for _, name := range names {
		w.relay(t, name, 11)
	}
	w.hold = make(chan struct{})
	w.crowd.Store(0)
	p := w.prefetcher(t)
	w.commit(t, 21)
	until(t, func() bool { return w.asking.Load() >= prefetchWorkers })
	close(w.hold)
	until(t, func() bool { return p.prepared.Load() == 21 })
	if n := w.crowd.Load(); n != prefetchWorkers {
		t.Errorf("%d questions were asked at once", n)
	}
	if n := w.count(methodSession); n != 2*applications {
		t.Errorf("sessions were asked for %d times, want one for each application and session", n)
	}
}

func TestPrefetcher_ApplicationsThatAreNotServedAnyMoreAreForgotten(t *testing.T) {
	w := newSessionWorld(t, "app")
	p := w.prefetcher(t)
	w.commit(t, 15)
	w.relay(t, "app", 11)
	last := int64(11 + idleSessions*sessionBlocks)
	for start := int64(21); start <= last; start += sessionBlocks {
		asked := w.count(methodSession)
		w.commit(t, start)
		until(t, func() bool { return p.prepared.Load() == start })
		if n := w.count(methodSession); n != asked+1 {
			t.Errorf("at %d sessions were asked for %d times", start, n-asked)
		}
	}
	asked := w.count(methodSession)
	w.commit(t, last+sessionBlocks)
	until(t, func() bool { return p.prepared.Load() == last+sessionBlocks })
	if n := w.count(methodSession); n != asked {
		t.Errorf("sessions were asked for %d times more", n-asked)
	}
}

func TestPrefetcher_SessionsOfOtherSuppliersAreLeftAlone(t *testing.T) {
	w := newSessionWorld(t, "app")
	w.commit(t, 15)
	request := w.request(t, "app", 11)
	ours := w.supplier
	w.supplier = newMember("another supplier")
	if err := w.relays.VerifyRelayRequest(testContext(t), request, relayService); !errors.Is(err, relayer.ErrSupplierNotInSession) {
		t.Fatalf("a relay in a session of others: %v", err)
	}
	w.supplier = ours
	p := w.prefetcher(t)
	w.commit(t, 21)
	until(t, func() bool { return p.prepared.Load() == 21 })
	if n := w.count(methodSession); n != 1 {
		t.Errorf("sessions were asked for %d times", n)
	}
}

func TestPrefetcher_ApplicationThatIsInNoSessionOfOursIsKnownToBe(t *testing.T) {
	w := newSessionWorld(t, "app")
	w.commit(t, 15)
	w.relay(t, "app", 11)
	request := w.request(t, "app", 21)
	w.supplier = newMember("another supplier")
	p := w.prefetcher(t)
	w.commit(t, 21)
	until(t, func() bool { return p.prepared.Load() == 21 })
	asked := w.questions()
	if err := w.relays.VerifyRelayRequest(testContext(t), request, relayService); !errors.Is(err, relayer.ErrSupplierNotInSession) {
		t.Errorf("a relay in a session of others: %v", err)
	}
	if n := w.questions() - asked; n != 0 {
		t.Errorf("it took %d questions", n)
	}
}

// balky is a preparer that fails for an application as often as it is told to.
type balky struct {
	application string
	failures    atomic.Int64
	done        atomic.Int64 // sessions that were prepared
}

func (b *balky) Prepare(_ context.Context, session *sessiontypes.Session) error {
	if session.Header.ApplicationAddress == b.application && b.failures.Add(-1) >= 0 {
		return relayer.ErrInternal.Wrapf("node is down")
	}
	b.done.Add(1)
	return nil
}

func TestPrefetcher_FailureHoldsUpNoOtherAndIsTriedAgainWithTheNextBlock(t *testing.T) {
	w := newSessionWorld(t, "first", "second", "third")
	w.commit(t, 15)
	for _, name := range []string{"first", "second", "third"} {
		w.relay(t, name, 11)
	}
	other := &balky{application: newMember("third").address()} // was used last, so is prepared first
	other.failures.Store(maxAttempts)
	p := w.prefetcher(t, other)
	w.commit(t, 21)
	until(t, func() bool { return other.done.Load() == 2 })
	until(t, func() bool { return other.failures.Load() == 0 })
	if n := p.prepared.Load(); n == 21 {
		t.Error("the session counts as prepared")
	}
	w.commit(t, 22)
	until(t, func() bool { return p.prepared.Load() == 21 })
	if n := other.done.Load(); n != 3 {
		t.Errorf("%d sessions were prepared, each once, want 3", n)
	}
}

func TestPrefetcher_TriesAgainWhenTheStateIsBehindTheBlock(t *testing.T) {
	w := newSessionWorld(t, "app")
	w.commit(t, 15)
	w.relay(t, "app", 11)
	late := atomic.Bool{}
	w.set(func(f *fakeNode) {
		f.requests = func(request any) (any, error) {
			if r, ok := request.(*sessiontypes.QueryGetSessionRequest); ok && r.BlockHeight == 21 && !late.Swap(true) {
				w.at(21)
				return nil, status.Error(codes.Internal, "block height 21 is ahead of the last committed one")
			}
			return w.answer(request)
		}
	})
	w.commit(t, 21)
	w.at(20) // what answers is not there yet
	p := w.prefetcher(t)
	until(t, func() bool { return p.prepared.Load() == 21 })
	asked := w.count(methodSession)
	w.relay(t, "app", 21)
	if n := w.count(methodSession); asked != 3 || n != asked {
		t.Errorf("the session was asked for %d times, and %d times with the relay", asked, n)
	}
}
