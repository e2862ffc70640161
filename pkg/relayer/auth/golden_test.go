package auth_test

import (
	"context"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/testutil/golden"
)

// publicHalf is a key of which only the public half was recorded.
type publicHalf struct {
	*secp256k1.PrivKey
	pubKey cryptotypes.PubKey
}

func (k publicHalf) PubKey() cryptotypes.PubKey { return k.pubKey }

// recorded returns the world in which a session was recorded, at its last block.
func recorded(s *golden.Session) *world {
	w := newWorld()
	w.chain.height = s.Header.SessionEndBlockHeight
	w.chain.header = s.Header
	w.chain.session = &sessiontypes.Session{
		Header:    s.Header,
		SessionId: s.Header.SessionId,
		Suppliers: []*sharedtypes.Supplier{{OperatorAddress: s.SupplierOperatorAddress}},
	}
	w.chain.app = &apptypes.Application{
		Address:                   s.Header.ApplicationAddress,
		DelegateeGatewayAddresses: []string{addressOfKey(s.Gateway)},
	}
	w.chain.pubKeys = map[string]cryptotypes.PubKey{
		s.Header.ApplicationAddress: s.Application,
		addressOfKey(s.Gateway):     s.Gateway,
	}
	w.keys = fakeKeys{s.SupplierOperatorAddress: publicHalf{pubKey: s.Supplier}}
	return w
}

func TestAuthenticator_AgreesWithTheChainOnRecordedRelays(t *testing.T) {
	sessions, err := golden.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions) == 0 {
		t.Fatal("there are no recorded sessions")
	}
	for _, s := range sessions {
		t.Run(s.Name, func(t *testing.T) {
			a := recorded(s).authenticator(t)
			for i, relay := range s.Relays {
				if err := a.VerifyRelayRequest(context.Background(), relay.Request, s.Header.ServiceId); err != nil {
					t.Errorf("request %d: %v", i, err)
				}
				if err := relay.Response.VerifySupplierOperatorSignature(s.Supplier); err != nil {
					t.Errorf("response %d: %v", i, err)
				}
			}
		})
	}
}

// Evidence is verified as it is stored: decoded from the leaf.
func TestVerifyEvidence_AcceptsRecordedLeaves(t *testing.T) {
	sessions, err := golden.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		a := recorded(s).authenticator(t)
		for i, relay := range s.Relays[:min(len(s.Relays), 3)] {
			_, value, err := relay.Leaf()
			if err != nil {
				t.Fatal(err)
			}
			var stored servicetypes.Relay
			if err := stored.Unmarshal(value); err != nil {
				t.Fatal(err)
			}
			if err := a.VerifyEvidence(context.Background(), &stored); err != nil {
				t.Errorf("%s, relay %d: %v", s.Name, i, err)
			}
		}
	}
}
