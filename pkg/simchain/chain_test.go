package simchain

import (
	"errors"
	"slices"
	"testing"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/ring"
)

func TestChain_ActorsFollowFromTheOptions(t *testing.T) {
	opts := Options{Suppliers: 2, Applications: 3, Gateways: 2}
	a, b := New(opts), New(opts)
	defer a.Close()
	defer b.Close()
	var all []string
	for _, c := range []*Chain{a, b} {
		for _, actors := range [][]Actor{c.Suppliers, c.Applications, c.Gateways} {
			for _, actor := range actors {
				all = append(all, actor.Address)
			}
		}
	}
	if len(all) != 14 || !slices.Equal(all[:7], all[7:]) || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 7 {
		t.Errorf("got %v", all)
	}
}

func TestChain_TheGatewaySignsForEveryApplication(t *testing.T) {
	c := New(Options{Applications: 2, Gateways: 3})
	defer c.Close()
	for n, application := range c.Applications {
		app, err := c.Application(t.Context(), application.Address)
		if err != nil || len(app.DelegateeGatewayAddresses) != 3 {
			t.Fatalf("got %v, %v", app, err)
		}
		signer, err := c.Signer(n)
		if err != nil {
			t.Fatal(err)
		}
		bz, err := signer.Sign([32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		signature, err := ring.Parse(bz)
		if err != nil || signature.Size() != 4 || (ring.Reference{}).Verify([32]byte{1}, signature) != nil {
			t.Errorf("signature of %d members, %v", signature.Size(), err)
		}
		for i := range signature.Size() {
			if !slices.ContainsFunc(c.Ring(n), func(key []byte) bool { return string(key) == string(signature.Member(i)) }) {
				t.Errorf("member %d is not of the ring", i)
			}
		}
	}
}

func TestChain_SessionsHaveAllSuppliersAndChangeWithTheirHeights(t *testing.T) {
	c := New(Options{Suppliers: 2})
	defer c.Close()
	address := c.Applications[0].Address
	first, err := c.Session(t.Context(), address, Service, 1)
	if err != nil || len(first.Suppliers) != 2 || *first.Header != *c.Header(address, 4) {
		t.Fatalf("got %v, %v", first, err)
	}
	c.Advance(1)
	again, err := c.Session(t.Context(), address, Service, 2)
	if err != nil || *again.Header != *first.Header {
		t.Errorf("the session at height 2 is %v, %v", again, err)
	}
	next, err := c.Session(t.Context(), address, Service, first.Header.SessionEndBlockHeight+1)
	if err != nil || next.SessionId == first.SessionId || next.SessionNumber != first.SessionNumber+1 {
		t.Errorf("the next session is %v, %v", next, err)
	}
	params, _ := c.SharedParams(t.Context())
	if next.Header.SessionStartBlockHeight != sharedtypes.GetSessionStartHeight(params, 5) {
		t.Errorf("it starts at %d", next.Header.SessionStartBlockHeight)
	}
}

func TestChain_StrangersAreNotFound(t *testing.T) {
	c := New(Options{})
	defer c.Close()
	_, err1 := c.Application(t.Context(), c.Suppliers[0].Address)
	_, err2 := c.Supplier(t.Context(), c.Applications[0].Address)
	_, err3 := c.PubKey(t.Context(), "pokt1nobody")
	_, err4 := c.Session(t.Context(), c.Applications[0].Address, "other", 1)
	_, err5 := c.Session(t.Context(), "pokt1nobody", Service, 1)
	for n, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, relayer.ErrNotFound) {
			t.Errorf("%d: got %v", n+1, err)
		}
	}
}
