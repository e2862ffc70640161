package auth_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
)

// headerFrom returns the header of the application's session from a height.
func headerFrom(application string, height int64) *sessiontypes.SessionHeader {
	h := header()
	h.ApplicationAddress, h.SessionId = addressOf(application), application
	h.SessionStartBlockHeight, h.SessionEndBlockHeight = height, height+blocks-1
	return h
}

// serve serves a relay of the application in its session from a height.
func (w *world) serve(t *testing.T, a *auth.Authenticator, application string, height int64) {
	t.Helper()
	w.chain.advance(headerFrom(application, height))
	w.chain.app.Address = addressOf(application)
	request := unsigned()
	request.Meta.SessionHeader = w.chain.header
	err := a.VerifyRelayRequest(context.Background(), sign(t, request, "gateway", application), service)
	if err != nil {
		t.Fatal(err)
	}
}

func TestPrepare_SessionIsInTheTableBeforeItsFirstRelay(t *testing.T) {
	w := newWorld()
	a := w.authenticator(t)
	next := headerFrom("application", end+1)
	w.chain.advance(next)
	if err := a.Prepare(context.Background(), w.chain.session); err != nil {
		t.Fatal(err)
	}
	if got := w.count(pubKey); got != 2 {
		t.Errorf("%d public keys were looked up ahead, want two", got)
	}
	w.chain.failing[session] = errors.New("asked for")
	request := unsigned()
	request.Meta.SessionHeader = next
	if err := a.VerifyRelayRequest(context.Background(), sign(t, request, "gateway", "application"), service); err != nil {
		t.Error(err)
	}
}

func TestPrepare_SaysWhetherTheChainCouldBeAsked(t *testing.T) {
	w := newWorld()
	a := w.authenticator(t)
	delete(w.chain.pubKeys, addressOf("gateway"))
	if err := a.Prepare(context.Background(), w.chain.session); errors.Is(err, relayer.ErrInternal) || err == nil {
		t.Errorf("a gateway without a key: %v", err)
	}
	w.chain.failing[application] = errors.New("node is down")
	if err := a.Prepare(context.Background(), w.chain.session); !errors.Is(err, relayer.ErrInternal) {
		t.Errorf("a node that is down: %v", err)
	}
}

func TestServed_SessionsWithAVerifiedRequestThoseUsedLastFirst(t *testing.T) {
	w := newWorld()
	w.know("stranger", "second stranger")
	a := w.authenticator(t)
	w.serve(t, a, "application", start)
	w.serve(t, a, "stranger", start)
	w.serve(t, a, "application", start+blocks)
	w.serve(t, a, "stranger", start+2*blocks)

	// One that is prepared, and asked for with a signature that is not valid.
	w.chain.advance(headerFrom("second stranger", start+blocks))
	w.chain.app.Address = addressOf("second stranger")
	if err := a.Prepare(context.Background(), w.chain.session); err != nil {
		t.Fatal(err)
	}
	forged := unsigned()
	forged.Meta.SessionHeader = w.chain.header
	sign(t, forged, "gateway", "second stranger")
	forged.Payload = append(forged.Payload, '!')
	refused(t, a.VerifyRelayRequest(context.Background(), forged, service), relayer.ErrInvalidRingSignature)

	for _, c := range []struct {
		from, before int64
		want         []*sessiontypes.SessionHeader
	}{
		{start, start + 3*blocks, []*sessiontypes.SessionHeader{
			headerFrom("stranger", start+2*blocks), headerFrom("application", start+blocks),
		}},
		{start, start + 2*blocks, []*sessiontypes.SessionHeader{
			headerFrom("application", start+blocks), headerFrom("stranger", start),
		}},
		{start + blocks, start + 2*blocks, []*sessiontypes.SessionHeader{headerFrom("application", start+blocks)}},
		{start + 3*blocks, start + 9*blocks, nil},
	} {
		got := a.Served(c.from, c.before)
		if !slices.EqualFunc(got, c.want, func(a, b *sessiontypes.SessionHeader) bool { return *a == *b }) {
			t.Errorf("from %d before %d: %v, want %v", c.from, c.before, got, c.want)
		}
	}
}

// What is known of a session is not replaced by who prepares for it late.
func TestPrepare_SessionThatWasServedStaysServed(t *testing.T) {
	w := newWorld()
	a := w.authenticator(t)
	w.serve(t, a, "application", start)
	if err := a.Prepare(context.Background(), w.chain.session); err != nil {
		t.Fatal(err)
	}
	if got := a.Served(start, start+1); len(got) != 1 {
		t.Errorf("served: %v", got)
	}
}
