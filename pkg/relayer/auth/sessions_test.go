package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/testutil/golden"
)

// madeUp returns a request of an application that does not exist.
func madeUp(i int) *servicetypes.RelayRequest {
	request := unsigned()
	address := make([]byte, 20)
	copy(address, fmt.Sprintf("made up %d", i))
	request.Meta.SessionHeader.ApplicationAddress = cosmostypes.AccAddress(address).String()
	request.Meta.Signature = make([]byte, 4+32+33+65)
	request.Meta.Signature[3] = 1
	return request
}

func from(address string) context.Context {
	return auth.WithCaller(context.Background(), netip.MustParseAddr(address))
}

func TestVerifyRelayRequest_KnownSessionIsAskedForOnce(t *testing.T) {
	w := newWorld()
	a := w.authenticator(t)
	for range 5 {
		if err := a.VerifyRelayRequest(context.Background(), signed(t), service); err != nil {
			t.Fatal(err)
		}
	}
	w.times(t, session, 1)
	if stats := a.Stats(); stats.SessionQueries != 1 || stats.Verifications != 5 || stats.VerificationsWaiting != 0 {
		t.Errorf("stats %+v", stats)
	}
}

func TestVerifyRelayRequest_RefusedSessionIsAskedForOnceInABlock(t *testing.T) {
	w := newWorld()
	a := w.authenticator(t)
	ask := func() {
		t.Helper()
		refused(t, a.VerifyRelayRequest(context.Background(), madeUp(1), service), relayer.ErrUnknownSession)
	}
	ask()
	ask()
	w.times(t, session, 1)
	w.chain.height++
	ask()
	w.times(t, session, 2)
	w.verified(t, 0)
}

// A node that fails has said nothing about the session.
func TestVerifyRelayRequest_FailedQueryIsNotRemembered(t *testing.T) {
	w := newWorld()
	a := w.authenticator(t)
	w.chain.failing[session] = errors.New("connection refused")
	refused(t, a.VerifyRelayRequest(context.Background(), signed(t), service), relayer.ErrInternal)
	delete(w.chain.failing, session)
	if err := a.VerifyRelayRequest(context.Background(), signed(t), service); err != nil {
		t.Error(err)
	}
}

func TestVerifyRelayRequest_CallerWithTooManyUnknownSessionsIsLimited(t *testing.T) {
	const burst, requests = 512, 5000
	w := newWorld()
	a := w.authenticator(t)
	limited := 0
	for i := range requests {
		// Neighbours in one network count as one.
		err := a.VerifyRelayRequest(from(fmt.Sprintf("192.0.2.%d", i%256)), madeUp(i), service)
		if errors.Is(err, relayer.ErrRateLimited) {
			limited++
		} else {
			refused(t, err, relayer.ErrUnknownSession)
		}
	}
	if limited == 0 || int(a.Stats().SessionsRateLimited) != limited {
		t.Errorf("%d of %d requests were limited, counted %d", limited, requests, a.Stats().SessionsRateLimited)
	}
	if n := int(a.Stats().SessionQueries); n < burst || n != requests-limited {
		t.Errorf("the chain was asked %d times for %d requests of which %d were limited", n, requests, limited)
	}
	// Somebody else is not.
	if err := a.VerifyRelayRequest(from("198.51.100.1"), signed(t), service); err != nil {
		t.Errorf("another caller: %v", err)
	}
	// A session that is known needs no query, whoever asks.
	if err := a.VerifyRelayRequest(from("192.0.2.1"), signed(t), service); err != nil {
		t.Errorf("known session: %v", err)
	}
}

func TestVerifyRelayRequest_ApplicationWithTooManyUnknownSessionsIsLimited(t *testing.T) {
	w := newWorld()
	a := w.authenticator(t)
	limited := 0
	const services = 100
	for i := range services {
		request, id := madeUp(1), fmt.Sprintf("svc%d", i)
		request.Meta.SessionHeader.ServiceId = id
		err := a.VerifyRelayRequest(from(fmt.Sprintf("10.%d.0.1", i)), request, id)
		if errors.Is(err, relayer.ErrRateLimited) {
			limited++
		}
	}
	if limited == 0 || w.count(session) != services-limited {
		t.Errorf("%d of %d requests were limited, %d queries", limited, services, w.count(session))
	}
}

// The requests that wait for one answer count as one.
func TestVerifyRelayRequest_RequestsForOneSessionShareItsQuery(t *testing.T) {
	const requests = 50 // more than an application may have asked at once
	w := newWorld()
	release := make(chan struct{})
	w.chain.hold = release
	w.chain.held = make(chan struct{}, requests)
	a := w.authenticator(t)
	request := signed(t)
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			if err := a.VerifyRelayRequest(from("192.0.2.1"), request, service); err != nil {
				t.Error(err)
			}
		})
	}
	for range requests {
		<-w.chain.held
	}
	close(release)
	all.Wait()
	if n := a.Stats().SessionsRateLimited; n != 0 {
		t.Errorf("%d requests were limited", n)
	}
}

// A gateway that is one block ahead may ask until this node has the block, and is
// served then.
func TestVerifyRelayRequest_EarlyRequestsDoNotUseUpTheApplicationsShare(t *testing.T) {
	w := newWorld()
	w.chain.height = start - 1
	w.chain.failing[session] = errors.New("height is ahead")
	a := w.authenticator(t)
	for range 100 {
		refused(t, a.VerifyRelayRequest(from("192.0.2.1"), signed(t), service), relayer.ErrInvalidSession)
	}
	w.chain.height = start
	delete(w.chain.failing, session)
	if err := a.VerifyRelayRequest(from("192.0.2.1"), signed(t), service); err != nil {
		t.Error(err)
	}
}

func TestFollow_NextSessionIsInTheTableBeforeItsFirstRelay(t *testing.T) {
	w := newWorld()
	w.chain.blocks = observable.NewReplay[*relayer.Block](1)
	a := w.authenticator(t)
	stop := a.Follow(context.Background())
	defer stop()
	if err := a.VerifyRelayRequest(context.Background(), signed(t), service); err != nil {
		t.Fatal(err)
	}
	w.chain.prefetched = make(chan int64, 4)
	next := header()
	next.SessionId, next.SessionStartBlockHeight, next.SessionEndBlockHeight = "next", end+1, end+blocks
	w.chain.advance(next)
	for _, height := range []int64{end, end + 1} {
		if err := w.chain.blocks.Publish(context.Background(), &relayer.Block{Height: height}); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-w.chain.prefetched; got != end+1 {
		t.Errorf("session at height %d was looked up, want %d", got, end+1)
	}
	stop()
	request := unsigned()
	request.Meta.SessionHeader = next
	w.chain.failing[session] = errors.New("asked for again")
	if err := a.VerifyRelayRequest(context.Background(), sign(t, request, "gateway", "application"), service); err != nil {
		t.Error(err)
	}
}

func TestVerifyRelayRequest_PlaceholderRingsAreServedIfConfigured(t *testing.T) {
	request := signWith(t, unsigned(), golden.PlaceholderPrivateKey.Bytes(),
		[][]byte{pubKeyOf("application").Bytes(), golden.PlaceholderPublicKey.Bytes()})
	w := newWorld()
	w.options = append(w.options, auth.WithPlaceholderRings())
	w.chain.app.DelegateeGatewayAddresses = nil
	w.accepts(t, request)

	// With a gateway the chain has no placeholder in the ring.
	w = newWorld()
	w.options = append(w.options, auth.WithPlaceholderRings())
	w.refuses(t, request, relayer.ErrInvalidRing)
}

func TestVerifyRelayRequest_NewDelegationCountsAtOnce(t *testing.T) {
	w := newWorld()
	w.know("second gateway")
	a := w.authenticator(t)
	request := sign(t, unsigned(), "second gateway", "application")
	refused(t, a.VerifyRelayRequest(context.Background(), request, service), relayer.ErrInvalidRing)
	w.chain.app.DelegateeGatewayAddresses = append(w.chain.app.DelegateeGatewayAddresses, addressOf("second gateway"))
	if err := a.VerifyRelayRequest(context.Background(), request, service); err != nil {
		t.Error(err)
	}
}
