package auth_test

import (
	"context"
	"testing"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// The verifier keeps every member that it is given, so it must be given none that the
// chain does not list.
func TestVerifyRelayRequest_StrangersTakeNoRoomInTheVerifier(t *testing.T) {
	ctx := context.Background()
	verifier, err := ring.NewVerifier(ring.WithListedMembers())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := verifier.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	w := newWorld()
	a, err := auth.NewAuthenticator(depinject.Supply(w.chain, w.keys, verifier))
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{{"stranger"}, {"stranger", "application"}, {"gateway", "stranger"}} {
		refused(t, a.VerifyRelayRequest(ctx, sign(t, unsigned(), names...), service), relayer.ErrInvalidRing)
	}
	if keys := verifier.Stats().CachedKeys; keys != 0 {
		t.Errorf("%d keys of strangers are kept", keys)
	}
	if err := a.VerifyRelayRequest(ctx, signed(t), service); err != nil {
		t.Fatal(err)
	}
	if keys := verifier.Stats().CachedKeys; keys != 3 {
		t.Errorf("%d keys are kept, want two members and an image", keys)
	}
	forged := signed(t)
	forged.Payload = []byte("eth_call")
	refused(t, a.VerifyRelayRequest(ctx, forged, service), relayer.ErrInvalidRingSignature)
}
