package auth_test

import (
	"context"
	"crypto/sha3"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	dleqtypes "github.com/pokt-network/go-dleq/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	ringgo "github.com/pokt-network/ring-go"

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
	ended := make(chan error, requests)
	for range requests {
		go func() { ended <- a.VerifyRelayRequest(from("192.0.2.1"), request, service) }() // awaited below
	}
	for range requests {
		select {
		case <-w.chain.held:
		case err := <-ended:
			t.Fatalf("a request did not wait for the answer: %v", err)
		}
	}
	close(release)
	for range requests {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
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

// An answer that was given before the newest block says nothing about it.
func TestVerifyRelayRequest_RefusalOfTheBlockBeforeIsNotBelieved(t *testing.T) {
	w := newWorld()
	release := make(chan struct{})
	w.chain.hold, w.chain.held = release, make(chan struct{}, 2)
	a := w.authenticator(t)
	ended := make(chan error)
	go func() { ended <- a.VerifyRelayRequest(context.Background(), madeUp(1), service) }() // awaited below
	<-w.chain.held
	w.chain.height++
	close(release)
	refused(t, <-ended, relayer.ErrUnknownSession)
	refused(t, a.VerifyRelayRequest(context.Background(), madeUp(1), service), relayer.ErrUnknownSession)
	w.times(t, session, 2)
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

// A signature can be turned so that the ring begins with another member. The
// result verifies, and is the same relay.
func TestFingerprint_IsTheSameForATurnedRing(t *testing.T) {
	request := signed(t)
	original := request.Meta.Signature
	turned := turn(t, request)
	if string(turned) == string(original) {
		t.Fatal("nothing was turned")
	}
	request.Meta.Signature = turned
	newWorld().accepts(t, request)

	one, ok := auth.Fingerprint(original)
	other, okToo := auth.Fingerprint(turned)
	if !ok || !okToo || one != other {
		t.Errorf("fingerprints %x and %x differ", one, other)
	}
	if again, _ := auth.Fingerprint(signed(t).Meta.Signature); again == one {
		t.Error("two signatures of equal requests have one fingerprint")
	}
	if _, ok := auth.Fingerprint(original[:100]); ok {
		t.Error("half a signature has a fingerprint")
	}
}

// turn returns the request's signature with the ring beginning at the second of
// its two members: the challenge is that which follows from the first.
func turn(t *testing.T, request *servicetypes.RelayRequest) []byte {
	t.Helper()
	message, err := request.GetSignableBytesHash()
	if err != nil {
		t.Fatal(err)
	}
	curve := ringgo.Secp256k1()
	decode := func(bytes []byte) dleqtypes.Point {
		point, err := curve.DecodeToPoint(bytes)
		if err != nil {
			t.Fatal(err)
		}
		return point
	}
	scalar := func(bytes []byte) dleqtypes.Scalar {
		s, err := curve.DecodeToScalar(bytes)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	signature := request.Meta.Signature
	challenge, image := scalar(signature[4:36]), decode(signature[36:69])
	first, second := signature[69:134], signature[134:199]
	s, member := scalar(first[:32]), decode(first[32:])
	left := curve.ScalarBaseMul(s).Add(curve.ScalarMul(challenge, member))
	right := curve.ScalarMul(s, hashToPoint(t, first[32:])).Add(curve.ScalarMul(challenge, image))
	next, err := curve.HashToScalar(append(append(message[:], left.Encode()...), right.Encode()...))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(signature[:4], next.Encode(), signature[36:69], second, first)
}

// hashToPoint hashes a compressed key to a point of the curve, as signatures do:
// it hashes until the hash is the abscissa of one with an even ordinate.
func hashToPoint(t *testing.T, key []byte) dleqtypes.Point {
	t.Helper()
	hash := sha3.Sum256(key)
	for range 128 {
		if point, err := ringgo.Secp256k1().DecodeToPoint(append([]byte{2}, hash[:]...)); err == nil {
			return point
		}
		hash = sha3.Sum256(hash[:])
	}
	t.Fatal("no point found")
	return nil
}
