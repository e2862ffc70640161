package proxy_test

import (
	"context"
	"fmt"
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
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// The session of the besieged chain, and where it is.
const (
	siegeStart, siegeEnd, siegeHeight = 21, 30, 25
	siegeBlocks                       = 10
)

// besieged is a chain with one application, which has a gateway and a session of
// service "svc". It counts the questions that a node would have to answer: those
// that are the same in all that they ask are one.
type besieged struct {
	header   *sessiontypes.SessionHeader
	app      *apptypes.Application
	supplier string
	keys     map[string]*secp256k1.PrivKey // of application and gateway by address
	held     cryptotypes.PrivKey           // the supplier's

	mu        sync.Mutex
	questions map[string]struct{}
}

func addressOf(key *secp256k1.PrivKey) string {
	return cosmostypes.AccAddress(key.PubKey().Address()).String()
}

// keys are those of all who occur in a siege, with their public halves. To derive
// one costs more than a request under the race detector.
var keys = sync.OnceValue(func() map[string]person {
	all := make(map[string]person)
	for _, name := range []string{"application", "gateway", "supplier", "stranger", "other stranger"} {
		key := secp256k1.GenPrivKeyFromSecret([]byte(name))
		all[name] = person{key, key.PubKey().Bytes()}
	}
	return all
})

type person struct {
	key    *secp256k1.PrivKey
	public []byte
}

func keyNamed(name string) *secp256k1.PrivKey { return keys()[name].key }

func newBesieged() *besieged {
	app, gateway, supplier := keyNamed("application"), keyNamed("gateway"), keyNamed("supplier")
	return &besieged{
		header: &sessiontypes.SessionHeader{
			ApplicationAddress: addressOf(app), ServiceId: "svc", SessionId: "besieged",
			SessionStartBlockHeight: siegeStart, SessionEndBlockHeight: siegeEnd,
		},
		app:       &apptypes.Application{Address: addressOf(app), DelegateeGatewayAddresses: []string{addressOf(gateway)}},
		supplier:  addressOf(supplier),
		keys:      map[string]*secp256k1.PrivKey{addressOf(app): app, addressOf(gateway): gateway},
		held:      supplier,
		questions: make(map[string]struct{}),
	}
}

func (c *besieged) ask(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.questions[fmt.Sprintf(format, args...)] = struct{}{}
}

// asked returns how many questions there were.
func (c *besieged) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.questions)
}

func (c *besieged) Blocks() relayer.BlocksObservable { return nil } // nobody follows

func (c *besieged) Latest() *relayer.Block { return &relayer.Block{Height: siegeHeight} }

func (c *besieged) Session(_ context.Context, app, service string, height int64) (*sessiontypes.Session, error) {
	c.ask("session %s %s %d", app, service, height)
	if app != c.app.Address || service != c.header.ServiceId || height != siegeStart {
		return nil, fmt.Errorf("session: %w", relayer.ErrNotFound)
	}
	return &sessiontypes.Session{
		Header: c.header, SessionId: c.header.SessionId,
		Suppliers: []*sharedtypes.Supplier{{OperatorAddress: c.supplier}},
	}, nil
}

func (c *besieged) SharedParams(context.Context) (*sharedtypes.Params, error) {
	c.ask("params")
	return &sharedtypes.Params{NumBlocksPerSession: siegeBlocks, GracePeriodEndOffsetBlocks: 1}, nil
}

func (c *besieged) SharedParamsAt(ctx context.Context, height int64) (*sharedtypes.Params, error) {
	c.ask("params %d", height)
	return c.SharedParams(ctx)
}

func (c *besieged) Application(_ context.Context, address string) (*apptypes.Application, error) {
	c.ask("application %s", address)
	if address != c.app.Address {
		return nil, fmt.Errorf("application: %w", relayer.ErrNotFound)
	}
	return c.app, nil
}

func (c *besieged) PubKey(_ context.Context, address string) (cryptotypes.PubKey, error) {
	c.ask("key %s", address)
	key, ok := c.keys[address]
	if !ok {
		return nil, fmt.Errorf("public key: %w", relayer.ErrNotFound)
	}
	return key.PubKey(), nil
}

// Signer implements auth.SigningKeys.
func (c *besieged) Signer(address string) (cryptotypes.PrivKey, bool) {
	return c.held, address == c.supplier
}

// authenticator returns the real one for the chain.
func (c *besieged) authenticator(t testing.TB) *auth.Authenticator {
	t.Helper()
	rings, err := ring.NewVerifier(ring.WithListedMembers())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rings.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	a, err := auth.NewAuthenticator(depinject.Supply(c, rings))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// unsigned returns a request of the session that asks the service with payload.
func (c *besieged) unsigned(payload []byte) *servicetypes.RelayRequest {
	header := *c.header
	return &servicetypes.RelayRequest{
		Meta:    servicetypes.RelayRequestMetadata{SessionHeader: &header, SupplierOperatorAddress: c.supplier},
		Payload: payload,
	}
}

// signed returns the request signed by the first of those named for the ring of all.
func signed(t testing.TB, request *servicetypes.RelayRequest, names ...string) *servicetypes.RelayRequest {
	t.Helper()
	members := make([][]byte, len(names))
	for i, name := range names {
		members[i] = keys()[name].public
	}
	signer, err := ring.NewSigner(keyNamed(names[0]).Key, members)
	if err != nil {
		t.Fatal(err)
	}
	message, err := request.GetSignableBytesHash()
	if err != nil {
		t.Fatal(err)
	}
	if request.Meta.Signature, err = signer.Sign(message); err != nil {
		t.Fatal(err)
	}
	return request
}

// asks returns the payload that asks the service with the method, URL and body.
func asks(t testing.TB, method, url string, body []byte, headers ...string) []byte {
	t.Helper()
	request := &sdktypes.POKTHTTPRequest{Method: method, Url: url, BodyBz: body, Header: map[string]*sdktypes.Header{}}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header[headers[i]] = &sdktypes.Header{Key: headers[i], Values: []string{headers[i+1]}}
	}
	payload, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
