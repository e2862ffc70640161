package auth_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"cosmossdk.io/depinject"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// The session of a world and the parameters of its chain.
const (
	service     = "anvil"
	start       = 21
	end         = 30
	blocks      = 10
	grace       = 2
	middle      = 25
	lastOfGrace = end + grace
)

// person is somebody who has a key.
type person struct {
	key     *secp256k1.PrivKey
	pubKey  cryptotypes.PubKey
	address string
}

// people returns all who occur in the tests. Their keys are derived once, which
// under the race detector costs more than the tests.
var people = sync.OnceValue(func() map[string]person {
	all := make(map[string]person)
	for _, name := range []string{
		"application", "gateway", "second gateway", "stranger", "second stranger",
		"supplier", "second supplier", "foreign supplier", "idle supplier", "broken supplier",
	} {
		key := secp256k1.GenPrivKeyFromSecret([]byte(name))
		all[name] = person{key, key.PubKey(), addressOfKey(key.PubKey())}
	}
	return all
})

func keyOf(name string) *secp256k1.PrivKey    { return people()[name].key }
func pubKeyOf(name string) cryptotypes.PubKey { return people()[name].pubKey }
func addressOf(name string) string            { return people()[name].address }

func addressOfKey(key cryptotypes.PubKey) string {
	return cosmostypes.AccAddress(key.Address()).String()
}

// world is all that surrounds an authenticator: a chain in the middle of a
// session of "application", which delegates to "gateway", with the suppliers
// "supplier", "second supplier" and "foreign supplier". The keys of the first two
// are held here, and that of "idle supplier", who is not in the session.
type world struct {
	chain    *fakeChain
	keys     fakeKeys
	verifier *countingVerifier
	options  []auth.Option
}

func newWorld() *world {
	w := &world{
		chain: &fakeChain{
			height: middle,
			live:   sharedtypes.Params{NumBlocksPerSession: blocks, GracePeriodEndOffsetBlocks: grace},
			app: &apptypes.Application{
				Address:                   addressOf("application"),
				DelegateeGatewayAddresses: []string{addressOf("gateway")},
			},
			pubKeys: make(map[string]cryptotypes.PubKey),
			failing: make(map[string]error),
			past:    make(map[int64]sharedtypes.Params),
		},
		keys:     make(fakeKeys),
		verifier: &countingVerifier{},
	}
	w.chain.header = header()
	w.chain.session = &sessiontypes.Session{Header: header(), SessionId: header().SessionId}
	for _, name := range []string{"supplier", "second supplier", "foreign supplier"} {
		w.chain.session.Suppliers = append(w.chain.session.Suppliers, &sharedtypes.Supplier{OperatorAddress: addressOf(name)})
	}
	for _, name := range []string{"supplier", "second supplier", "idle supplier"} {
		w.keys[addressOf(name)] = keyOf(name)
	}
	w.know("application", "gateway")
	return w
}

// know lets the chain know the public keys of those with the given names.
func (w *world) know(names ...string) {
	for _, name := range names {
		w.chain.pubKeys[addressOf(name)] = pubKeyOf(name)
	}
}

// authenticator returns an authenticator in this world.
func (w *world) authenticator(tb testing.TB) *auth.Authenticator {
	tb.Helper()
	a, err := auth.NewAuthenticator(depinject.Supply(w.chain, w.keys, w.verifier), w.options...)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// header returns the header of the session as the chain has it.
func header() *sessiontypes.SessionHeader {
	return &sessiontypes.SessionHeader{
		ApplicationAddress:      addressOf("application"),
		ServiceId:               service,
		SessionId:               "c1112e5a51ba0e68aa066173a1844e0433c4c57884e59cf1cdfaa6aecc8137d8",
		SessionStartBlockHeight: start,
		SessionEndBlockHeight:   end,
	}
}

// unsigned returns a request to "supplier" without a signature.
func unsigned() *servicetypes.RelayRequest {
	return &servicetypes.RelayRequest{
		Meta: servicetypes.RelayRequestMetadata{
			SessionHeader:           header(),
			SupplierOperatorAddress: addressOf("supplier"),
		},
		Payload: []byte("eth_blockNumber"),
	}
}

// sign signs the request by the first of those named, for the ring of all of them.
func sign(tb testing.TB, request *servicetypes.RelayRequest, names ...string) *servicetypes.RelayRequest {
	tb.Helper()
	members := make([][]byte, len(names))
	for i, name := range names {
		members[i] = pubKeyOf(name).Bytes()
	}
	return signWith(tb, request, keyOf(names[0]).Key, members)
}

func signWith(tb testing.TB, request *servicetypes.RelayRequest, private []byte, members [][]byte) *servicetypes.RelayRequest {
	tb.Helper()
	signer, err := ring.NewSigner(private, members)
	if err != nil {
		tb.Fatal(err)
	}
	message, err := request.GetSignableBytesHash()
	if err != nil {
		tb.Fatal(err)
	}
	if request.Meta.Signature, err = signer.Sign(message); err != nil {
		tb.Fatal(err)
	}
	return request
}

// signed returns a request as the gateway sends it.
func signed(tb testing.TB) *servicetypes.RelayRequest {
	tb.Helper()
	return sign(tb, unsigned(), "gateway", "application")
}

// refused fails the test unless err has the reason want, and no other.
func refused(t *testing.T, err error, want *relayer.Error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %s %d (%s)", err, want.Codespace, want.Code, want.Description)
	}
	sent := relayer.RelayMinerError(err)
	if sent.Codespace != want.Codespace || sent.Code != want.Code {
		t.Errorf("a gateway is told %s %d, want %s %d", sent.Codespace, sent.Code, want.Codespace, want.Code)
	}
}

// asked fails the test unless exactly these queries reached the chain, each of
// them once or more.
func (w *world) asked(t *testing.T, want ...string) {
	t.Helper()
	if got := w.chain.queries(); !slices.Equal(got, want) {
		t.Errorf("the chain was asked %q, want %q", got, want)
	}
}

// verified fails the test unless that many ring signatures were verified.
func (w *world) verified(t *testing.T, want int64) {
	t.Helper()
	if got := w.verifier.calls.Load(); got != want {
		t.Errorf("%d ring signatures were verified, want %d", got, want)
	}
}

// accepts fails the test unless the request is served in this world.
func (w *world) accepts(t *testing.T, request *servicetypes.RelayRequest) {
	t.Helper()
	if err := w.authenticator(t).VerifyRelayRequest(context.Background(), request, service); err != nil {
		t.Errorf("refused: %v", err)
	}
	w.verified(t, 1)
}

// refuses fails the test unless the request is refused for that reason before
// its signature is verified.
func (w *world) refuses(t *testing.T, request *servicetypes.RelayRequest, want *relayer.Error) {
	t.Helper()
	refused(t, w.authenticator(t).VerifyRelayRequest(context.Background(), request, service), want)
	w.verified(t, 0)
}
