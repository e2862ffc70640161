package auth_test

import (
	"context"
	"errors"
	"testing"

	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/golden"
)

// mined returns a relay as it is stored: served, and without the payload of its
// response.
func mined(t *testing.T, w *world) *servicetypes.Relay {
	t.Helper()
	relay := &servicetypes.Relay{Req: signed(t), Res: answer()}
	if err := w.authenticator(t).SignRelayResponse(relay.Res, addressOf("supplier")); err != nil {
		t.Fatal(err)
	}
	relay.Res.Payload = nil
	return relay
}

func TestVerifyEvidence_AcceptsWhatWasServed(t *testing.T) {
	w := newWorld()
	if err := w.authenticator(t).VerifyEvidence(context.Background(), mined(t, w)); err != nil {
		t.Error(err)
	}
	w.asked(t, application, shared, pubKey)
}

// What is refused when a relay arrives, although the chain would take it, says nothing
// about the proof.
func TestVerifyEvidence_TakesWhatTheChainTakes(t *testing.T) {
	keys := func(names ...string) (members [][]byte) {
		for _, name := range names {
			members = append(members, pubKeyOf(name).Bytes())
		}
		return members
	}
	for _, c := range []struct {
		name     string
		gateways []string // at the time of the proof
		private  []byte
		members  [][]byte
	}{
		{"ring larger than the application's is by now", []string{addressOf("gateway")},
			keyOf("gateway").Key, keys("gateway", "application", "gateway")},
		{"placeholder", nil, golden.PlaceholderPrivateKey.Bytes(),
			append(keys("application"), golden.PlaceholderPublicKey.Bytes())},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			relay := mined(t, w)
			signWith(t, relay.Req, c.private, c.members)
			w.chain.app.DelegateeGatewayAddresses = c.gateways
			if err := w.authenticator(t).VerifyEvidence(context.Background(), relay); err != nil {
				t.Error(err)
			}
		})
	}
}

// A fast verifier that is wrong must not have the last word on evidence.
func TestVerifyEvidence_IsJudgedByTheReference(t *testing.T) {
	w := newWorld()
	relay := mined(t, w)
	relay.Req.Meta.Signature[4] ^= 1
	refused(t, w.authenticator(t).VerifyEvidence(context.Background(), relay), relayer.ErrInvalidRingSignature)
	w.verified(t, 0)
}

func TestVerifyEvidence_RefusesWhatTheChainWould(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, w *world, r *servicetypes.Relay)
		want  *relayer.Error
	}{
		{"no request", func(_ *testing.T, _ *world, r *servicetypes.Relay) { r.Req = nil }, relayer.ErrInvalidRequest},
		{"no response", func(_ *testing.T, _ *world, r *servicetypes.Relay) { r.Res = nil }, relayer.ErrInvalidRequest},
		{"no header in the request", func(_ *testing.T, _ *world, r *servicetypes.Relay) {
			r.Req.Meta.SessionHeader = nil
		}, relayer.ErrInvalidRequest},
		{"no header in the response", func(_ *testing.T, _ *world, r *servicetypes.Relay) {
			r.Res.Meta.SessionHeader = nil
		}, relayer.ErrInvalidResponse},
		{"response of another session", func(t *testing.T, w *world, r *servicetypes.Relay) {
			r.Res = answer()
			r.Res.Meta.SessionHeader.SessionId = "another"
			if err := w.authenticator(t).SignRelayResponse(r.Res, addressOf("supplier")); err != nil {
				t.Fatal(err)
			}
		}, relayer.ErrInvalidResponse},
		{"unsigned request", func(_ *testing.T, _ *world, r *servicetypes.Relay) {
			r.Req.Meta.Signature = nil
		}, relayer.ErrInvalidRequest},
		{"malformed ring", func(_ *testing.T, _ *world, r *servicetypes.Relay) {
			clear(r.Req.Meta.Signature[:4])
		}, relayer.ErrInvalidRing},
		{"unsigned response", func(_ *testing.T, _ *world, r *servicetypes.Relay) {
			r.Res.Meta.SupplierOperatorSignature = nil
		}, relayer.ErrInvalidResponse},
		{"response signed by another supplier", func(t *testing.T, w *world, r *servicetypes.Relay) {
			r.Res = answer()
			if err := w.authenticator(t).SignRelayResponse(r.Res, addressOf("second supplier")); err != nil {
				t.Fatal(err)
			}
		}, relayer.ErrInvalidResponse},
		{"another payload", func(_ *testing.T, _ *world, r *servicetypes.Relay) {
			r.Res.PayloadHash[0] ^= 1
		}, relayer.ErrInvalidResponse},
		{"another request", func(_ *testing.T, _ *world, r *servicetypes.Relay) {
			r.Req.Payload = []byte("eth_chainId")
		}, relayer.ErrInvalidRingSignature},
		{"supplier whose key is gone", func(_ *testing.T, w *world, _ *servicetypes.Relay) {
			delete(w.keys, addressOf("supplier"))
		}, relayer.ErrUndefinedSigner},
		{"gateway that was undelegated from before", func(_ *testing.T, w *world, _ *servicetypes.Relay) {
			w.chain.app.DelegateeGatewayAddresses = nil
			w.chain.app.PendingUndelegations = map[uint64]apptypes.UndelegatingGatewayList{
				end - blocks: {GatewayAddresses: []string{addressOf("gateway")}},
			}
		}, relayer.ErrInvalidRing},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			relay := mined(t, w)
			c.spoil(t, w, relay)
			refused(t, w.authenticator(t).VerifyEvidence(context.Background(), relay), c.want)
		})
	}
	refused(t, newWorld().authenticator(t).VerifyEvidence(context.Background(), nil), relayer.ErrInvalidRequest)
}

func TestVerifyEvidence_IsNotJudgedWithoutTheChain(t *testing.T) {
	unreachable := errors.New("connection refused")
	for _, query := range []string{application, shared, pubKey} {
		w := newWorld()
		relay := mined(t, w)
		w.chain.failing[query] = unreachable
		err := w.authenticator(t).VerifyEvidence(context.Background(), relay)
		refused(t, err, relayer.ErrInternal)
		if !errors.Is(err, unreachable) || errors.Is(err, ring.ErrInvalid) {
			t.Errorf("%s fails: got %v", query, err)
		}
	}
}
