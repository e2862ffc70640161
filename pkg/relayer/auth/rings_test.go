package auth_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/testutil/golden"
)

func TestVerifyRelayRequest_AcceptsTheRingsOfHonestSigners(t *testing.T) {
	for _, c := range []struct {
		name     string
		gateways []string
		ring     []string // the first signs
	}{
		{"gateway for application", []string{"gateway"}, []string{"gateway", "application"}},
		{"application for itself", []string{"gateway"}, []string{"application", "gateway"}},
		{"application without gateways", nil, []string{"application"}}, // widened to two
		{"application alone, though it has gateways", []string{"gateway"}, []string{"application"}},
		{"gateway alone", []string{"gateway"}, []string{"gateway"}},
		{"some of the gateways", []string{"gateway", "second gateway"}, []string{"second gateway", "application"}},
		{"all gateways", []string{"gateway", "second gateway"}, []string{"second gateway", "application", "gateway"}},
		// Clients list whoever is delegated to twice, twice.
		{"gateway listed twice", []string{"gateway", "gateway"}, []string{"gateway", "application", "gateway"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.know("second gateway")
			w.chain.app.DelegateeGatewayAddresses = nil
			for _, name := range c.gateways {
				w.chain.app.DelegateeGatewayAddresses = append(w.chain.app.DelegateeGatewayAddresses, addressOf(name))
			}
			w.accepts(t, sign(t, unsigned(), c.ring...))
		})
	}
}

func TestVerifyRelayRequest_RefusesRingsWithStrangersBeforeVerifying(t *testing.T) {
	for _, c := range []struct {
		name string
		ring []string
	}{
		{"of a stranger", []string{"stranger"}},
		{"of strangers", []string{"stranger", "second stranger"}},
		{"stranger beside the application", []string{"stranger", "application"}},
		{"stranger beside application and gateway", []string{"stranger", "application", "gateway"}},
		{"stranger who has not signed", []string{"gateway", "stranger"}},
		{"supplier", []string{"supplier", "application"}},
		{"gateway of other applications", []string{"second gateway", "application"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.know("stranger", "second stranger", "supplier", "second gateway")
			w.refuses(t, sign(t, unsigned(), c.ring...), relayer.ErrInvalidRing)
			w.asked(t, shared, session, application, pubKey)
		})
	}
}

// The private half of the placeholder is public: who accepts it serves everybody
// in the name of any application without gateways.
func TestVerifyRelayRequest_RefusesThePlaceholderKey(t *testing.T) {
	placeholder := golden.PlaceholderPublicKey.Bytes()
	for name, members := range map[string][][]byte{
		"alone":                  {placeholder},
		"beside the application": {pubKeyOf("application").Bytes(), placeholder},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.chain.app.DelegateeGatewayAddresses = nil
			request := signWith(t, unsigned(), golden.PlaceholderPrivateKey.Bytes(), members)
			w.refuses(t, request, relayer.ErrInvalidRing)
			err := w.authenticator(t).VerifyRelayRequest(context.Background(), request, service)
			if !strings.Contains(err.Error(), "placeholder key") {
				t.Errorf("the reason is not named: %v", err)
			}
		})
	}
}

// Anybody can have the account with the placeholder key be a gateway.
func TestVerifyRelayRequest_RefusesThePlaceholderKeyOfAGateway(t *testing.T) {
	key := &secp256k1.PubKey{Key: golden.PlaceholderPublicKey.Bytes()}
	request := signWith(t, unsigned(), golden.PlaceholderPrivateKey.Bytes(),
		[][]byte{pubKeyOf("application").Bytes(), key.Bytes()})
	with := func(options ...auth.Option) *world {
		w := newWorld()
		w.options = options
		w.chain.app.DelegateeGatewayAddresses = append(w.chain.app.DelegateeGatewayAddresses, addressOfKey(key))
		w.chain.pubKeys[addressOfKey(key)] = key
		return w
	}
	with().refuses(t, request, relayer.ErrInvalidRing)
	with().accepts(t, signed(t))
	with(auth.WithPlaceholderRings()).accepts(t, request)
}

func TestVerifyRelayRequest_RefusesRingsThatAreLargerThanTheApplications(t *testing.T) {
	w := newWorld()
	w.refuses(t, sign(t, unsigned(), "gateway", "application", "gateway"), relayer.ErrInvalidRing)

	w = newWorld()
	w.chain.app.DelegateeGatewayAddresses = nil
	w.refuses(t, sign(t, unsigned(), "application", "application", "application"), relayer.ErrInvalidRing)
}

// x/application records an undelegation under the end of the session in which it
// happened, and the gateway signs until that session is over.
func TestVerifyRelayRequest_UndelegatingGatewaySignsUntilItsSessionIsOver(t *testing.T) {
	for _, c := range []struct {
		name       string
		sessionEnd uint64 // under which the undelegation is recorded
		want       *relayer.Error
	}{
		{"in this session", end, nil},
		{"in a later session", end + blocks, nil},
		{"in the session before", end - blocks, relayer.ErrInvalidRing},
		{"one height too early", end - 1, relayer.ErrInvalidRing},
		{"above what a height can be", 1<<64 - 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.chain.app.DelegateeGatewayAddresses = nil
			w.chain.app.PendingUndelegations = map[uint64]apptypes.UndelegatingGatewayList{
				c.sessionEnd: {GatewayAddresses: []string{addressOf("gateway")}},
			}
			request := sign(t, unsigned(), "gateway", "application")
			if c.want == nil {
				w.accepts(t, request)
			} else {
				w.refuses(t, request, c.want)
			}
		})
	}
}

// The chain rounds the header's end up with the parameters in force when it
// checks a proof, so the same is done here.
func TestVerifyRelayRequest_UndelegationsCountByTheSessionLengthInForceNow(t *testing.T) {
	const liveEnd = 40 // of the session of 20 blocks that height 30 is in
	for _, c := range []struct {
		sessionEnd uint64
		want       *relayer.Error
	}{
		{liveEnd, nil},
		{liveEnd - 1, relayer.ErrInvalidRing},
	} {
		w := newWorld()
		w.chain.height = end + 1
		w.chain.past[end] = w.chain.live
		w.chain.live = sharedtypes.Params{NumBlocksPerSession: 20, GracePeriodEndOffsetBlocks: grace}
		w.chain.app.DelegateeGatewayAddresses = nil
		w.chain.app.PendingUndelegations = map[uint64]apptypes.UndelegatingGatewayList{
			c.sessionEnd: {GatewayAddresses: []string{addressOf("gateway")}},
		}
		request := sign(t, unsigned(), "gateway", "application")
		if c.want == nil {
			w.accepts(t, request)
		} else {
			w.refuses(t, request, c.want)
		}
	}
}

// The chain cannot make a ring of an application with such a member, hence could
// not verify a proof.
func TestVerifyRelayRequest_MemberWithoutUsableKeyMakesTheRingUnusable(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*world)
	}{
		{"gateway that never signed", func(w *world) { delete(w.chain.pubKeys, addressOf("second gateway")) }},
		{"application that never signed", func(w *world) { delete(w.chain.pubKeys, addressOf("application")) }},
		{"gateway with a key of another curve", func(w *world) {
			w.chain.pubKeys[addressOf("second gateway")] = ed25519.GenPrivKeyFromSecret([]byte("second gateway")).PubKey()
		}},
		{"application that is gone", func(w *world) { w.chain.app = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.know("second gateway")
			w.chain.app.DelegateeGatewayAddresses = append(w.chain.app.DelegateeGatewayAddresses, addressOf("second gateway"))
			c.spoil(w)
			w.refuses(t, sign(t, unsigned(), "gateway", "gateway"), relayer.ErrInvalidRing)
		})
	}
}

func TestVerifyRelayRequest_LeavesTheChainsAnswersAlone(t *testing.T) {
	w := newWorld()
	// With room behind it, the list could be appended into without a trace.
	gateways := make([]string, 1, 4)
	gateways[0] = addressOf("gateway")
	w.chain.app.DelegateeGatewayAddresses = gateways
	w.chain.app.PendingUndelegations = map[uint64]apptypes.UndelegatingGatewayList{
		end: {GatewayAddresses: []string{addressOf("second gateway")}},
	}
	w.know("second gateway")
	request := sign(t, unsigned(), "second gateway", "application")
	if err := w.authenticator(t).VerifyRelayRequest(context.Background(), request, service); err != nil {
		t.Fatal(err)
	}
	if beyond := gateways[:2][1]; beyond != "" {
		t.Errorf("%q was written behind the application's gateways", beyond)
	}
}
