package proxy

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
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
	p.inFlight.Store(int64(calmPerCore*async.Cores() + 1))
	if err := p.congested(); err != nil {
		t.Errorf("without strain: %v", err)
	}
	p.strain.lasted.Store(int64(time.Second))
	if err := p.congested(); !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("under strain: %v", err)
	}
}

func TestStrain_IsForgottenWhenItIsNotMeasuredAnyMore(t *testing.T) {
	var s strain
	s.note(time.Second)
	s.note(time.Second)
	s.sent.Store(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.watch(ctx); err != nil {
		t.Fatal(err)
	}
	if wait, tooMuch := s.tooMuch(calmPerCore*async.Cores() + 1); tooMuch {
		t.Errorf("relays are refused for a wait of %s that nobody measures", wait)
	}
}

func TestProxy_RelaysOfAllListenersCanBeTheCauseOfStrain(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	p := silentPipeline()
	p.auth = pausing{asked, release}
	p.inFlight.Store(int64(calmPerCore*async.Cores() - 2)) // others
	p.strain.lasted.Store(int64(time.Second))
	listen := func() string {
		_, address := listening(t, 10, func(s *httpServer) {
			s.pipeline = p
			s.services["svc"].DefaultBackend = &config.Backend{}
		})
		return address
	}
	first, second := listen(), listen()
	defer close(release)
	for _, address := range []string{first, second} {
		call(t, address, namedRelay)
		<-asked
	}
	for _, address := range []string{first, second} {
		if got := status(t, call(t, address, emptyRelay)); got != http.StatusServiceUnavailable {
			t.Errorf("status %d under strain", got)
		}
	}
}

// namedRelay asks for a relay of the service "svc".
const namedRelay = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n\n\x07\n\x05\x12\x03svc"

// pausing says when it is asked, and refuses when it is told.
type pausing struct {
	asked   chan<- struct{}
	release <-chan struct{}
}

func (p pausing) VerifyRelayRequest(context.Context, *servicetypes.RelayRequest, string) error {
	p.asked <- struct{}{}
	<-p.release
	return relayer.ErrInvalidRingSignature
}

func (p pausing) SignRelayResponse(*servicetypes.RelayResponse, string) error {
	return relayer.ErrInternal
}
